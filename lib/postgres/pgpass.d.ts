declare module 'pgpass' {
  interface Connection {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly database: string;
  }

  /** Reads the passfile as libpq does; undefined where it has nothing, or is not to be trusted. */
  export default function pgpass(connection: Connection, done: (password: string | undefined) => void): void;
}
