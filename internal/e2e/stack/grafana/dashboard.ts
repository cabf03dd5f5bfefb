// What a dashboard may be: Grafana's own schema, made strict where it leaves out what depends on the panel's type, and lenient
// where Grafana fills in what a file leaves out.
import type {
  Dashboard as SchemaDashboard,
  DashboardLink,
  DataQuery,
  DataSourceRef,
  FieldConfig,
  MatcherConfig,
  Panel as SchemaPanel,
  RowPanel,
} from '@grafana/schema';
import type * as bargauge from '@grafana/schema/dist/types/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen.d.ts';
import type * as logs from '@grafana/schema/dist/types/raw/composable/logs/panelcfg/x/LogsPanelCfg_types.gen.d.ts';
import type * as loki from '@grafana/schema/dist/types/raw/composable/loki/dataquery/x/LokiDataQuery_types.gen.d.ts';
import type * as stat from '@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen.d.ts';
import type * as stateTimeline from '@grafana/schema/dist/types/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen.d.ts';
import type * as table from '@grafana/schema/dist/types/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen.d.ts';
import type * as timeseries from '@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen.d.ts';

// JSON has strings where the schema has enums, and TypeScript takes no string for an enum: `${E}` is the union of its values.
type Json<T> = unknown extends T
  ? T
  : T extends string
    ? `${T}`
    : T extends number | boolean | null | undefined
      ? T
      : T extends Array<infer E>
        ? Array<Json<E>>
        : { [K in keyof T]: Json<T[K]> };

type None = Record<never, never>;

// Options and custom field configuration, by the panel's type. A panel of another type is refused until it has a line here.
interface Kinds {
  bargauge: [bargauge.Options, None];
  logs: [logs.Options, None];
  stat: [stat.Options, None];
  'state-timeline': [stateTimeline.Options, stateTimeline.FieldConfig];
  table: [table.Options, table.FieldConfig];
  timeseries: [timeseries.Options, timeseries.FieldConfig];
}

// The schema says DashboardLink of a panel's links, and nothing of a field's. Grafana's editor writes this for both.
type Link = Required<Pick<DashboardLink, 'title' | 'url'>> & Partial<Pick<DashboardLink, 'targetBlank'>>;

type Defaults = Json<Omit<FieldConfig, 'custom' | 'links'>> & { links?: Link[] };

// An override sets one property: a standard one, or "custom." and one of the panel's own.
type Property<Custom> =
  | { [K in keyof Defaults]-?: { id: K; value: Defaults[K] } }[keyof Defaults]
  | { [K in keyof Custom & string]-?: { id: `custom.${K}`; value: Json<Custom[K]> } }[keyof Custom & string];

// @grafana/schema has no query of Prometheus: these are the fields that packages/grafana-prometheus in Grafana's repository
// reads, without the deprecated ones.
interface PrometheusQuery extends DataQuery {
  editorMode?: 'builder' | 'code';
  exemplar?: boolean;
  expr: string;
  format?: 'heatmap' | 'table' | 'time_series';
  instant?: boolean;
  interval?: string;
  legendFormat?: string;
  range?: boolean;
}

interface LokiQuery extends loki.LokiDataQuery {
  queryType?: loki.LokiQueryType;
}

// Of a union TypeScript takes any member's properties; what is only the other one's has to be forbidden.
type Query<Source extends string, Own, Other> = Json<Omit<Own, 'datasource'>> & {
  datasource: DataSourceRef & { type: Source };
} & { [K in Exclude<keyof Other, keyof Own>]?: never };

type Target = Query<'prometheus', PrometheusQuery, LokiQuery> | Query<'loki', LokiQuery, PrometheusQuery>;

// Options and custom configuration are merged into the panel's defaults: none of them has to be there.
type PanelOf<Type, Options, Custom> = Json<Omit<SchemaPanel, 'type' | 'options' | 'fieldConfig' | 'targets' | 'links'>> & {
  type: Type;
  options?: Partial<Json<Options>>;
  fieldConfig?: {
    defaults: Defaults & { custom?: Partial<Json<Custom>> };
    overrides: Array<{ matcher: MatcherConfig; properties: Array<Property<Custom>> }>;
  };
  targets?: Target[];
  links?: Link[];
};

type Panel = { [K in keyof Kinds]: PanelOf<K, Kinds[K][0], Kinds[K][1]> }[keyof Kinds];

type Row = Json<Omit<RowPanel, 'panels'>> & { panels: Panel[] };

export type Dashboard = Json<Omit<SchemaDashboard, 'panels'>> & { panels: Array<Panel | Row> };
