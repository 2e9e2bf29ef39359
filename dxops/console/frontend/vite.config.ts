import { readFileSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";

const icons = JSON.parse(readFileSync(new URL("./icons.json", import.meta.url), "utf8")) as string[];

/** Writes `icons.json`: name to the drawing inside lucide's <svg>, so that the server can inline exactly what a page uses. */
function inlineIcons(): Plugin {
  return {
    name: "inline-icons",
    generateBundle() {
      const drawings: Record<string, string> = {};
      for (const name of icons) {
        const text = readFileSync(new URL(`./node_modules/lucide-static/icons/${name}.svg`, import.meta.url), "utf8");
        const body = /<svg[^>]*>([\s\S]*)<\/svg>/.exec(text)?.[1];
        if (body === undefined) throw new Error(`icon ${name} has no drawing`);
        drawings[name] = body.replace(/\s*\n\s*/g, "");
      }
      this.emitFile({ type: "asset", fileName: "icons.json", source: JSON.stringify(drawings) });
    },
  };
}

export default defineConfig({
  base: "/assets/",
  publicDir: false,
  plugins: [inlineIcons()],
  build: {
    outDir: "../static/built",
    emptyOutDir: true,
    manifest: "manifest.json",
    assetsDir: "",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    target: "es2022",
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    rolldownOptions: {
      checks: { eval: false }, // htmx has one, switched off by its configuration and by our policy
      input: {
        main: "src/main.ts",
        dag: "src/dag.ts",
        log: "src/log.ts",
        logs: "src/logs/main.ts",
        style: "styles/index.css",
        mark: "mark.svg",
      },
    },
  },
});
