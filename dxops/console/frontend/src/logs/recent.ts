/** The last queries of this browser. */
const KEY = "dx.logs.recent";
const MOST = 12;

export const recent = (): string[] => {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(found) ? found.filter((one) => typeof one === "string").slice(0, MOST) : [];
  } catch {
    return [];
  }
};

export const remember = (query: string): void => {
  const text = query.trim();
  if (!text) return;
  try {
    localStorage.setItem(KEY, JSON.stringify([text, ...recent().filter((one) => one !== text)].slice(0, MOST)));
  } catch {
    // a browser that keeps nothing
  }
};
