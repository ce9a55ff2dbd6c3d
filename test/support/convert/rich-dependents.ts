import type { RichNames } from './rich-table.ts';

/** Views, functions and whatever else reads the table or refers to it. */
export function dependentStatements(names: RichNames): string[] {
  return [...views(names), ...functions(names), ...obstacles(names)];
}

function views({ table, key, inSchema, reader, writer, version }: RichNames): string[] {
  const recent = inSchema('recent events');
  const careful = inSchema('careful');
  return [
    `CREATE VIEW ${recent} AS SELECT id, ${key}, tenant, amount, kind FROM ${table} WHERE kind <> 'warning'`,
    `COMMENT ON VIEW ${recent} IS 'For the start page.'`,
    `CREATE VIEW ${inSchema('errors_by_tenant')} AS
     SELECT r.tenant, count(*) AS errors, (SELECT max(e.id) FROM ${table} AS e) AS last_id
     FROM ${recent} AS r WHERE r.kind = 'error' GROUP BY r.tenant`,
    `CREATE VIEW ${careful} WITH (security_barrier) AS
     SELECT * FROM ${table} WHERE tenant <> 'secret' WITH CASCADED CHECK OPTION`,
    `ALTER VIEW ${careful} ALTER COLUMN kind SET DEFAULT 'error'`,
    `GRANT SELECT ON ${recent} TO ${reader}, ${writer}`,
    `GRANT SELECT (tenant) ON ${inSchema('errors_by_tenant')} TO ${reader} WITH GRANT OPTION`,
    `GRANT SELECT, INSERT, UPDATE ON ${careful} TO ${writer}`,
    ...(version >= 15
      ? [
          `CREATE VIEW ${inSchema('as_invoker')} WITH (security_invoker) AS SELECT id, tenant FROM ${table}`,
          `GRANT SELECT ON ${inSchema('as_invoker')} TO ${reader}`,
        ]
      : []),
  ];
}

function functions({ table, key, keyType, inSchema, reader, options }: RichNames): string[] {
  const countOf = `${inSchema('count_of')}(text)`;
  return [
    `CREATE FUNCTION ${inSchema('count_of')}(wanted text) RETURNS bigint LANGUAGE sql STABLE
     BEGIN ATOMIC SELECT count(*) FROM ${table} WHERE tenant = wanted; END`,
    `COMMENT ON FUNCTION ${countOf} IS 'Counts.'`,
    `REVOKE EXECUTE ON FUNCTION ${countOf} FROM PUBLIC`,
    `GRANT EXECUTE ON FUNCTION ${countOf} TO ${reader}`,
    `CREATE FUNCTION ${inSchema('latest_of')}(wanted text) RETURNS ${keyType} LANGUAGE plpgsql STABLE AS $$
     DECLARE found ${table};
     BEGIN
       SELECT * INTO found FROM ${table} WHERE tenant = wanted ORDER BY ${key} DESC LIMIT 1;
       RETURN found.${key};
     END $$`,
    ...(options.setReturningFunction
      ? [
          `CREATE FUNCTION ${inSchema('all_of')}(wanted text) RETURNS SETOF ${table} LANGUAGE sql STABLE
           AS $$ SELECT * FROM ${table} WHERE tenant = wanted $$`,
        ]
      : []),
  ];
}

function obstacles({ table, inSchema, options, reader }: RichNames): string[] {
  const totals = inSchema('totals');
  return [
    ...(options.materializedView
      ? [
          `CREATE MATERIALIZED VIEW ${totals} AS SELECT tenant, count(*) AS events FROM ${table} GROUP BY tenant`,
          `CREATE UNIQUE INDEX totals_of_tenant ON ${totals} (tenant)`,
          `GRANT SELECT ON ${totals} TO ${reader}`,
        ]
      : []),
    ...(options.incomingForeignKey
      ? [`CREATE TABLE ${inSchema('event_notes')} (event bigint REFERENCES ${table}, note text)`]
      : []),
    ...(options.rule
      ? [`CREATE RULE "keep some" AS ON DELETE TO ${table} WHERE OLD.tenant = 'kept' DO INSTEAD NOTHING`]
      : []),
    ...(options.inheritanceChild
      ? [`CREATE TABLE ${inSchema('child')} (PRIMARY KEY (id)) INHERITS (${table})`]
      : []),
  ];
}
