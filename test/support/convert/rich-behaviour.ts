import { keyDefault } from './rich-columns.ts';
import type { RichNames } from './rich-table.ts';

/** Triggers, row level security and grants. */
export function behaviourStatements(names: RichNames): string[] {
  return [...triggerFunctions(names), ...triggers(names), ...security(names)];
}

function triggerFunctions({ inSchema, key, keyType }: RichNames): string[] {
  const audit = inSchema('audit');
  const trigger = 'RETURNS trigger LANGUAGE plpgsql';
  return [
    `CREATE TABLE ${audit} (operation text NOT NULL, event bigint, happened_at timestamptz DEFAULT clock_timestamp())`,
    `CREATE INDEX ON ${audit} (event)`,
    // Adds to what it finds: a trigger that fires twice shows in the revision.
    `CREATE FUNCTION ${inSchema('touch')}() ${trigger} AS $$
     BEGIN
       IF TG_OP = 'UPDATE' THEN NEW.revision := NEW.revision + 1; END IF;
       NEW.touched_at := clock_timestamp();
       RETURN NEW;
     END $$`,
    `CREATE FUNCTION ${inSchema('write_audit')}() ${trigger} SECURITY DEFINER AS $$
     BEGIN
       INSERT INTO ${audit} (operation, event)
       VALUES (TG_ARGV[0] || TG_OP, CASE WHEN TG_OP = 'DELETE' THEN OLD.id ELSE NEW.id END);
       RETURN NULL;
     END $$`,
    `CREATE FUNCTION ${inSchema('count_added')}() ${trigger} SECURITY DEFINER AS $$
     BEGIN
       INSERT INTO ${audit} (operation, event) SELECT 'statement of ' || count(*), min(id) FROM added;
       RETURN NULL;
     END $$`,
    `CREATE FUNCTION ${inSchema('do_nothing')}() ${trigger} AS $$ BEGIN RETURN NULL; END $$`,
    `CREATE FUNCTION ${inSchema('set_key')}() ${trigger} AS $$
     BEGIN
       NEW.${key} := ${keyDefault(keyType, inSchema, 'now()')};
       RETURN NEW;
     END $$`,
  ];
}

function triggers({ table, inSchema, options }: RichNames): string[] {
  const writeAudit = inSchema('write_audit');
  return [
    `CREATE TRIGGER "touch it" BEFORE INSERT OR UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION ${inSchema('touch')}()`,
    `CREATE TRIGGER zz_audit AFTER INSERT OR UPDATE OR DELETE ON ${table}
     FOR EACH ROW EXECUTE FUNCTION ${writeAudit}('row ')`,
    `CREATE TRIGGER each_statement AFTER INSERT ON ${table} REFERENCING NEW TABLE AS added
     FOR EACH STATEMENT EXECUTE FUNCTION ${inSchema('count_added')}()`,
    `CREATE TRIGGER disabled AFTER INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION ${writeAudit}('disabled ')`,
    `ALTER TABLE ${table} DISABLE TRIGGER disabled`,
    `CREATE TRIGGER always AFTER INSERT ON ${table} FOR EACH ROW WHEN (NEW.tenant = 'always')
     EXECUTE FUNCTION ${writeAudit}('always ')`,
    `ALTER TABLE ${table} ENABLE ALWAYS TRIGGER always`,
    `CREATE TRIGGER amount_changed AFTER UPDATE OF amount, kind ON ${table} FOR EACH ROW
     WHEN (OLD.amount IS DISTINCT FROM NEW.amount) EXECUTE FUNCTION ${writeAudit}('amount ')`,
    `COMMENT ON TRIGGER zz_audit ON ${table} IS 'The auditors want it.'`,
    ...(options.constraintTrigger
      ? [
          `CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON ${table} DEFERRABLE INITIALLY DEFERRED
           FOR EACH ROW EXECUTE FUNCTION ${inSchema('do_nothing')}()`,
        ]
      : []),
    ...(options.keyTrigger
      ? [
          `CREATE TRIGGER sets_key BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION ${inSchema('set_key')}()`,
        ]
      : []),
  ];
}

function security({ table, bare, inSchema, key, reader, writer, options }: RichNames): string[] {
  const tenants = inSchema('tenants');
  return [
    ...(options.rowSecurityOff ? [] : [`ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY`]),
    ...(options.forceRowSecurity ? [`ALTER TABLE ${table} FORCE ROW LEVEL SECURITY`] : []),
    `CREATE POLICY "all for writers" ON ${table} TO ${writer}
     USING (EXISTS (SELECT 1 FROM ${tenants} AS t WHERE t.name = ${bare}.tenant) OR ${bare}.tenant <> 'secret')
     WITH CHECK (${bare}.tenant <> 'secret')`,
    `CREATE POLICY readers ON ${table} FOR SELECT TO ${reader} USING (true)`,
    `CREATE POLICY "not even readers" ON ${table} AS RESTRICTIVE FOR SELECT TO ${reader}
     USING (NOT EXISTS (SELECT FROM ${tenants} AS t WHERE t.id = ${bare}.tenant_id AND ${bare}.tenant = 'secret'))`,
    `COMMENT ON POLICY readers ON ${table} IS 'They may.'`,
    `GRANT SELECT, INSERT, UPDATE, DELETE ON ${table} TO ${writer}`,
    `GRANT SELECT (id, ${key}, tenant, amount) ON ${table} TO ${reader} WITH GRANT OPTION`,
    `GRANT UPDATE (note) ON ${table} TO ${reader}`,
    `GRANT TRIGGER ON ${table} TO ${reader} WITH GRANT OPTION`,
    `DO $$ BEGIN
       EXECUTE format('GRANT USAGE, SELECT ON SEQUENCE %s TO ${writer}',
         pg_get_serial_sequence($t$${table}$t$, 'id'));
     END $$`,
  ];
}
