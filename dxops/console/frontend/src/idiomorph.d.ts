declare module "idiomorph/dist/idiomorph.esm.js" {
  export const Idiomorph: {
    morph(target: Node, fresh: Iterable<Element> | Element, options?: { morphStyle?: "outerHTML" | "innerHTML"; ignoreActiveValue?: boolean }): Node[];
  };
}
