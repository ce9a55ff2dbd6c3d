/** What a benchmark is asked to do. */
export interface BenchOptions {
  /** How often each thing is measured. */
  readonly runs: number;
  /** Amount of data, beside the usual one. */
  readonly scale: number;
  /** The smallest size that goes through everything: for trying it out, not for figures. */
  readonly toy: boolean;
  /** Whether peers may be fetched from where they are published; otherwise only what is here takes part. */
  readonly download: boolean;
  /** Tells a person what is going on. */
  readonly say: (line: string) => void;
}

/** Several measurements of one thing. */
export interface Figure {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly runs: number;
}

/** A text, one number, several measurements, or nothing to tell. */
export type Cell = string | number | Figure | null;

export type Unit = 'ms' | 's' | 'rows/s' | 'MiB' | 'KiB' | 'times' | 'USD' | 'count';

export interface Column {
  readonly title: string;
  /** Absent for a column of texts. */
  readonly unit?: Unit;
}

export interface Table {
  readonly title: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

/** Horizontal bars on a logarithmic scale, each with its spread. A bar without a figure says why in its note. */
export interface BarChart {
  readonly kind: 'bars';
  /** Name of the file, without ending. */
  readonly name: string;
  readonly title: string;
  readonly unit: Unit;
  readonly bars: readonly {
    readonly label: string;
    readonly figure: Figure | null;
    readonly note?: string;
  }[];
}

/** Lines on logarithmic axes. */
export interface LineChart {
  readonly kind: 'lines';
  readonly name: string;
  readonly title: string;
  readonly unit: Unit;
  readonly xTitle: string;
  readonly lines: readonly {
    readonly label: string;
    readonly points: readonly (readonly [number, number])[];
  }[];
}

export type Chart = BarChart | LineChart;

/** What a benchmark found. */
export interface Findings {
  /** Of the programs that took part, by name. */
  readonly versions: Readonly<Record<string, string>>;
  /** Sentences about how it was measured. */
  readonly remarks: readonly string[];
  readonly tables: readonly Table[];
  readonly charts: readonly Chart[];
}

/** Where and when it was measured. */
export interface Conditions {
  readonly date: string;
  readonly machine: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly command: string;
  /** What else the machine did meanwhile, by word of whoever started it. */
  readonly beside: string | null;
}

/** What is kept of a run of a benchmark. */
export interface Result extends Omit<Findings, 'versions'> {
  readonly bench: string;
  readonly conditions: Conditions;
}

export interface Bench {
  readonly name: string;
  /** What it answers, in one line. */
  readonly question: string;
  readonly run: (options: BenchOptions) => Promise<Findings>;
}
