/** Translated texts, by name. */
export type Texts = Record<string, string>;

/** The text with its numbered gaps filled; numbers are written as the language does. */
export function filled(text: string, ...values: (string | number)[]): string {
  return text.replaceAll(/\{(\d)\}/g, (_, number: string) => {
    const value = values[Number(number)]!;
    return typeof value === "number" ? value.toLocaleString(document.documentElement.lang) : value;
  });
}

/** As Django's `filesizeformat` writes it in the list of verdicts below. */
export function inUnits(bytes: number, texts: Texts): string {
  const whole = Math.round(bytes);
  if (whole < 1024) return filled(texts[whole === 1 ? "byte" : "bytes"]!, whole);
  const units = ["KB", "MB", "GB"];
  let [value, unit] = [bytes / 1024, 0];
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${value.toLocaleString(document.documentElement.lang, { minimumFractionDigits: 1, maximumFractionDigits: 1 })} ${units[unit]}`;
}
