/** Figures as people read them. Pure. */
const whole = new Intl.NumberFormat("en-GB");
const few = new Intl.NumberFormat("en-GB", { maximumSignificantDigits: 4 });

export const count = (value: number): string => whole.format(value);
export const figure = (value: number | null): string => (value === null ? "–" : few.format(value));

/** `12.3 k`, `4 M`: three digits at most. */
export const short = (value: number): string => {
  for (const [unit, name] of [[1e9, " G"], [1e6, " M"], [1e3, " k"]] as const)
    if (value >= unit * 0.9995) return `${Number((value / unit).toPrecision(3))}${name}`;
  return String(value);
};

/** `12 %`, `0.3 %`, `< 0.1 %`. */
export const share = (part: number, of: number): string => {
  if (of <= 0) return "0 %";
  const percent = (100 * part) / of;
  if (percent === 0) return "0 %";
  if (percent < 0.1) return "< 0.1 %";
  return `${percent < 10 ? Math.round(percent * 10) / 10 : Math.round(percent)} %`;
};

export const bytes = (value: number): string => {
  for (const [unit, name] of [[1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [1e3, "kB"]] as const)
    if (value >= unit * 0.9995) return `${Number((value / unit).toPrecision(3))} ${name}`;
  return `${value} B`;
};
