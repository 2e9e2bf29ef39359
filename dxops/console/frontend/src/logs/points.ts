/** The server counts characters (code points), the browser UTF-16 units. Pure. */
export const toPoints = (text: string, unit: number): number => [...text.slice(0, unit)].length;
export const toUnits = (text: string, point: number): number => [...text].slice(0, point).join("").length;
