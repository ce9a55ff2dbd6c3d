/** One message of PostgreSQL's protocol: its type, and all of its bytes. */
export interface Frame {
  /** Empty for the first message of a client, which has none. */
  readonly type: string;
  readonly bytes: Buffer;
}

/**
 * Cuts a stream of bytes into messages.
 * @param untyped how many messages without a type come first
 */
export function frameReader(untyped: number): (chunk: Buffer) => Frame[] {
  let rest = Buffer.alloc(0);
  let left = untyped;
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    const frames: Frame[] = [];
    for (;;) {
      const header = left > 0 ? 0 : 1;
      if (rest.length < header + 4) return frames;
      const length = header + rest.readUInt32BE(header);
      if (rest.length < length) return frames;
      const type = header === 0 ? '' : String.fromCharCode(rest[0] ?? 0);
      frames.push({ type, bytes: rest.subarray(0, length) });
      rest = rest.subarray(length);
      if (left > 0) left--;
    }
  };
}

/** A simple query as a client sends it. */
export function queryFrame(sql: string): Buffer {
  const text = Buffer.from(`${sql}\0`);
  const bytes = Buffer.alloc(5);
  bytes.write('Q');
  bytes.writeUInt32BE(4 + text.length, 1);
  return Buffer.concat([bytes, text]);
}

const upToNull = (bytes: Buffer, from: number): string =>
  bytes.toString('utf8', from, bytes.indexOf(0, from));

/** The statement a message brings: that of a simple query, or of the Parse of an extended one. */
export function statementOf({ type, bytes }: Frame): string | null {
  if (type === 'Q') return upToNull(bytes, 5);
  return type === 'P' ? upToNull(bytes, bytes.indexOf(0, 5) + 1) : null;
}
