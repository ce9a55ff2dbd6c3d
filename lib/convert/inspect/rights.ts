/**
 * SQL of the statement that gives a right which a conversion needs and nobody has; null where nothing is wanting.
 * Owners, schemas and tables are SQL of their oids.
 */

const FROM_16 = "current_setting('server_version_num')::int >= 160000";

/** That the executing role may act as the role, as SET ROLE does. */
const actAs = (role: string): string => `
  CASE WHEN NOT pg_has_role(${role}, CASE WHEN ${FROM_16} THEN 'SET' ELSE 'MEMBER' END)
       THEN format('GRANT %I TO %I%s;', pg_get_userbyid(${role}), current_user, CASE WHEN ${FROM_16} THEN ' WITH SET TRUE' END) END`;

const useSchema = (role: string, schema: string): string => `
  CASE WHEN NOT has_schema_privilege(${role}, ${schema}, 'USAGE')
       THEN format('GRANT USAGE ON SCHEMA %s TO %I;', ${schema}::regnamespace, pg_get_userbyid(${role})) END`;

/** That the owner makes something of its own anew, for the executing role. */
export const replaceAs = (owner: string, schema: string): string => `
  coalesce(${actAs(owner)},
    CASE WHEN NOT (has_schema_privilege(${owner}, ${schema}, 'CREATE') AND has_schema_privilege(${owner}, ${schema}, 'USAGE'))
         THEN format('GRANT USAGE, CREATE ON SCHEMA %s TO %I;', ${schema}::regnamespace, pg_get_userbyid(${owner})) END)`;

/** That the owner of the table puts rows aside in temporary tables. */
export const putAside = (owner: string): string => `
  CASE WHEN NOT has_database_privilege(${owner}, current_database(), 'TEMPORARY')
       THEN format('GRANT TEMPORARY ON DATABASE %I TO %I;', current_database(), pg_get_userbyid(${owner})) END`;

/** That the owner of the table makes an index in the tablespace; null: that of the database. */
export const storeIn = (owner: string, tablespace: string): string => `
  CASE WHEN NOT has_tablespace_privilege(${owner}, ${tablespace}, 'CREATE')
       THEN format('GRANT CREATE ON TABLESPACE %I TO %I;', (SELECT t.spcname FROM pg_tablespace t WHERE t.oid = ${tablespace}), pg_get_userbyid(${owner})) END`;

/** That the owner of the table makes a foreign key to the columns of another one. */
export const referTo = (owner: string, table: string, schema: string, columns: string): string => `
  coalesce(${useSchema(owner, schema)},
    CASE WHEN NOT (has_table_privilege(${owner}, ${table}, 'REFERENCES')
                   OR (SELECT bool_and(has_column_privilege(${owner}, ${table}, one, 'REFERENCES')) FROM unnest(${columns}) AS one))
         THEN format('GRANT REFERENCES ON %s TO %I;', ${table}::regclass, pg_get_userbyid(${owner})) END)`;

/** That the owner of the table makes a trigger that calls the function. */
export const callFrom = (owner: string, routine: string, schema: string): string => `
  coalesce(${useSchema(owner, schema)},
    CASE WHEN NOT has_function_privilege(${owner}, ${routine}, 'EXECUTE')
         THEN format('GRANT EXECUTE ON FUNCTION %s TO %I;', ${routine}::regprocedure, pg_get_userbyid(${owner})) END)`;

/** That the owner of the table has the rights of the owner of the publication. */
export const ownerMayPublish = (owner: string, publisher: string): string =>
  `pg_has_role(${owner}, ${publisher}, 'USAGE')`;

/**
 * That somebody has the rights of both owners, without SET ROLE: a publication is changed by its own, and only the
 * table's may add the table.
 */
export const publish = (owner: string, publisher: string): string => `
  CASE WHEN ${ownerMayPublish(owner, publisher)} OR (pg_has_role(${owner}, 'USAGE') AND pg_has_role(${publisher}, 'USAGE')) THEN NULL
       WHEN ${FROM_16} THEN format('GRANT %I, %I TO %I WITH INHERIT TRUE;', pg_get_userbyid(${publisher}), pg_get_userbyid(${owner}), current_user)
       WHEN pg_has_role(${owner}, 'MEMBER') AND pg_has_role(${publisher}, 'MEMBER') THEN format('ALTER ROLE %I INHERIT;', current_user)
       ELSE format('GRANT %I TO %I;', pg_get_userbyid(${publisher}), current_user) END`;
