import pc from 'picocolors';

export type Style = ReturnType<typeof pc.createColors>;

/** Colour on a terminal only, and never where NO_COLOR is set. */
export const styleFor = (stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): Style =>
  pc.createColors(stream.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb');
