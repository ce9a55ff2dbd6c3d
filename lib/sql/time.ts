import { quoteLiteral } from '../partition/identifiers.ts';
import { OFFSET_SQL } from '../partition/time-zone-sql.ts';
import type { Routine } from './routine.ts';

/**
 * The calendar of `lib/partition`, in SQL. A place on the axis of a key is a `timestamp`: of UTC for `timestamptz`
 * and UUIDv7 keys, of the wall clock for `timestamp` and `date` keys; open ends are its infinities.
 * @param s the schema, quoted
 */
export const timeRoutines = (s: string): readonly Routine[] => [
  {
    kind: 'plpgsql',
    name: '_is_wall_clock',
    parameters: ['p_key_type text'],
    returns: 'boolean',
    about: 'whether the type stores the time of a clock rather than an instant',
    body: `
BEGIN
  RETURN p_key_type IN ('timestamp', 'date');
END`,
  },
  {
    kind: 'plpgsql',
    name: '_is_zone',
    parameters: ['p_zone text'],
    returns: 'boolean',
    about: 'whether the server means by the name what the config means',
    // Without a digit, a name that the server does not know is an error anyway; all names are read from many files.
    body: `
BEGIN
  RETURN CASE
    WHEN p_zone = 'UTC' OR p_zone ~ ${quoteLiteral(OFFSET_SQL)} THEN true
    WHEN EXISTS (SELECT FROM pg_timezone_abbrevs AS a WHERE lower(a.abbrev) = lower(p_zone)) THEN false
    WHEN p_zone ~ '[0-9]' THEN EXISTS (SELECT FROM pg_timezone_names AS n WHERE lower(n.name) = lower(p_zone))
    ELSE true
  END;
END`,
  },
  {
    kind: 'plpgsql',
    name: '_earlier',
    parameters: ['p_wall timestamp', 'p_zone text'],
    returns: 'timestamptz',
    about: 'the instant of a wall-clock time; the earlier one where clocks show it twice, or never',
    body: `
DECLARE
  utc timestamptz := p_wall AT TIME ZONE 'UTC';
  day_before timestamptz := utc - interval '24 hours';
  day_after timestamptz := utc + interval '24 hours';
  -- By the offset that clocks have before a change, if there is one, and by that after it.
  one timestamptz := (p_wall - ((day_before AT TIME ZONE p_zone) - (day_before AT TIME ZONE 'UTC'))) AT TIME ZONE 'UTC';
  other timestamptz := (p_wall - ((day_after AT TIME ZONE p_zone) - (day_after AT TIME ZONE 'UTC'))) AT TIME ZONE 'UTC';
BEGIN
  RETURN CASE
    WHEN (one AT TIME ZONE p_zone = p_wall) = (other AT TIME ZONE p_zone = p_wall) THEN least(one, other)
    WHEN one AT TIME ZONE p_zone = p_wall THEN one
    ELSE other
  END;
END`,
  },
  {
    kind: 'plpgsql',
    name: '_first_instant',
    parameters: ['p_wall timestamp', 'p_zone text'],
    returns: 'timestamptz',
    about: 'the first instant at which clocks show the wall-clock time or a later one',
    body: `
DECLARE
  low timestamptz := ${s}._earlier(p_wall, p_zone);
  high timestamptz;
  middle timestamptz;
BEGIN
  IF low AT TIME ZONE p_zone = p_wall THEN
    RETURN low;
  END IF;
  -- Clocks skip it: the change lies above the earlier reading, and not above the later.
  high := p_wall AT TIME ZONE p_zone;
  WHILE high - low > interval '1 second' LOOP
    middle := low + make_interval(secs => floor(extract(epoch FROM high - low) / 2)::float8);
    IF middle AT TIME ZONE p_zone < p_wall THEN
      low := middle;
    ELSE
      high := middle;
    END IF;
  END LOOP;
  RETURN high;
END`,
  },
  {
    kind: 'plpgsql',
    name: '_step',
    parameters: ['p_step text'],
    returns: 'interval',
    about: 'the length of a partition on the calendar',
    body: `
BEGIN
  RETURN CASE p_step WHEN 'quarter' THEN interval '3 months' ELSE ('1 ' || p_step)::interval END;
END`,
  },
  {
    kind: 'plpgsql',
    name: '_start_of',
    parameters: ['p_label timestamp', 'p_zone text'],
    returns: 'timestamp',
    about: 'where the interval of that name begins on the axis',
    body: `
BEGIN
  RETURN CASE p_zone WHEN 'UTC' THEN p_label ELSE ${s}._first_instant(p_label, p_zone) AT TIME ZONE 'UTC' END;
END`,
  },
  {
    kind: 'plpgsql',
    name: '_interval_at',
    parameters: [
      'p_label timestamp',
      'p_starts timestamp',
      'p_step text',
      'p_zone text',
      'OUT label timestamp',
      'OUT starts timestamp',
      'OUT ends timestamp',
    ],
    about: 'the interval of the grid that begins there; the next that is not empty, as clocks may skip a day',
    body: `
DECLARE
  step interval := ${s}._step(p_step);
BEGIN
  label := p_label;
  starts := p_starts;
  LOOP
    ends := ${s}._start_of(label + step, p_zone);
    EXIT WHEN ends > starts;
    label := label + step;
  END LOOP;
END`,
  },
  {
    kind: 'plpgsql',
    name: '_containing',
    parameters: [
      'p_place timestamp',
      'p_step text',
      'p_zone text',
      'OUT label timestamp',
      'OUT starts timestamp',
      'OUT ends timestamp',
    ],
    about: 'the interval of the grid that holds a place on the axis',
    body: `
DECLARE
  step interval := ${s}._step(p_step);
BEGIN
  label := date_trunc(p_step, (p_place AT TIME ZONE 'UTC') AT TIME ZONE p_zone);
  starts := ${s}._start_of(label, p_zone);
  -- Clocks that go back across a boundary show the time of the former interval once more.
  WHILE starts > p_place LOOP
    label := label - step;
    starts := ${s}._start_of(label, p_zone);
  END LOOP;
  SELECT i.label, i.starts, i.ends INTO label, starts, ends FROM ${s}._interval_at(label, starts, p_step, p_zone) AS i;
  WHILE ends <= p_place LOOP
    SELECT i.label, i.starts, i.ends INTO label, starts, ends
    FROM ${s}._interval_at(label + step, ends, p_step, p_zone) AS i;
  END LOOP;
END`,
  },
  {
    kind: 'plpgsql',
    name: '_suffix',
    parameters: ['p_step text', 'p_label timestamp'],
    returns: 'text',
    about: 'what follows the name of the table in that of a partition',
    body: `
BEGIN
  RETURN to_char(p_label, CASE p_step
    WHEN 'year' THEN 'YYYY'
    WHEN 'quarter' THEN 'YYYY"_q"Q'
    WHEN 'month' THEN 'YYYY_MM'
    WHEN 'week' THEN 'IYYY"_w"IW'
    WHEN 'day' THEN 'YYYY_MM_DD'
    ELSE 'YYYY_MM_DD_HH24'
  END);
END`,
  },
  {
    kind: 'plpgsql',
    name: '_grid_zone',
    parameters: ['p_key_type text', 'p_zone text'],
    returns: 'text',
    about: 'the zone the grid is cut in: wall-clock keys have no daylight saving on their own axis',
    body: `
BEGIN
  RETURN CASE WHEN ${s}._is_wall_clock(p_key_type) THEN 'UTC' ELSE p_zone END;
END`,
  },
  {
    kind: 'plpgsql',
    name: '_place_of',
    parameters: ['p_key_type text', 'p_zone text', 'p_at timestamptz'],
    returns: 'timestamp',
    about: 'where a row written at that instant lies on the axis',
    body: `
BEGIN
  RETURN p_at AT TIME ZONE CASE WHEN ${s}._is_wall_clock(p_key_type) THEN p_zone ELSE 'UTC' END;
END`,
  },
  {
    kind: 'plpgsql',
    name: '_latest',
    parameters: ['p_key_type text', 'p_zone text', 'p_place timestamp'],
    returns: 'timestamptz',
    about: 'the latest instant a row below the bound can have been written at',
    // Of two readings, or none, PostgreSQL takes the later.
    body: `
BEGIN
  RETURN p_place AT TIME ZONE CASE WHEN ${s}._is_wall_clock(p_key_type) THEN p_zone ELSE 'UTC' END;
END`,
  },
  {
    kind: 'plpgsql',
    name: '_before',
    parameters: ['p_at timestamptz', 'p_calendar interval', 'p_hours int', 'p_zone text'],
    returns: 'timestamptz',
    about: 'the instant a span before another: calendar units by the clock of the zone, hours exactly',
    body: `
DECLARE
  wall timestamp := p_at AT TIME ZONE p_zone;
  earlier timestamp := wall - p_calendar;
BEGIN
  RETURN CASE WHEN earlier = wall THEN p_at ELSE ${s}._earlier(earlier, p_zone) END - make_interval(hours => p_hours);
END`,
  },
];
