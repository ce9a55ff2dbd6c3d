/** Sizes in sentences, in units of 1000. */
export const bytesInWords = (bytes: number): string =>
  bytes < 1_000_000
    ? `${Math.ceil(bytes / 1000)} kB`
    : `${Math.round(bytes / 1_000_000).toLocaleString('en-US')} MB`;
