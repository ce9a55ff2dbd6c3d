import pg from 'pg';

/** What a query of node-postgres is to the client that runs it; it has no types for this. */
interface CopyQuery extends pg.Query {
  handleCopyInResponse: (connection: {
    readonly sendCopyFromChunk: (chunk: Buffer) => void;
    readonly endCopyFrom: () => void;
  }) => void;
}

/** Runs COPY .. FROM STDIN with all its data at once. */
export async function copyIn(client: pg.Client, sql: string, data: string): Promise<pg.QueryResult> {
  return await new Promise((resolve, reject) => {
    const query = new pg.Query({ text: sql }) as CopyQuery & {
      callback: (error: Error | null, result: pg.QueryResult) => void;
    };
    query.callback = (error, result) => (error === null ? resolve(result) : reject(error));
    query.handleCopyInResponse = (connection) => {
      connection.sendCopyFromChunk(Buffer.from(data));
      connection.endCopyFrom();
    };
    client.query(query);
  });
}
