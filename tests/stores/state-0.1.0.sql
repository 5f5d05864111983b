CREATE TABLE bp_binding (
  flow TEXT NOT NULL,
  object TEXT NOT NULL,
  key TEXT NOT NULL,
  source_id TEXT NOT NULL,
  target_id TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  created_run TEXT NOT NULL,
  written_run TEXT NOT NULL,
  PRIMARY KEY (flow, object, key)
);
CREATE INDEX bp_binding_record ON bp_binding (flow, source_id);
CREATE TABLE bp_dead_letter (
  flow TEXT NOT NULL,
  source_id TEXT NOT NULL,
  state TEXT NOT NULL,
  stage TEXT NOT NULL,
  reason TEXT NOT NULL,
  object TEXT NOT NULL,
  row TEXT NOT NULL,
  field TEXT NOT NULL,
  value TEXT NOT NULL,
  waits_flow TEXT,
  waits_object TEXT,
  waits_key TEXT,
  amount TEXT,
  currency TEXT NOT NULL,
  payload TEXT NOT NULL,
  mapping_version TEXT NOT NULL,
  run TEXT NOT NULL,
  attempts INTEGER DEFAULT '0' NOT NULL,
  first_seen TIMESTAMP WITH TIME ZONE NOT NULL,
  last_seen TIMESTAMP WITH TIME ZONE NOT NULL,
  closed_at TIMESTAMP WITH TIME ZONE,
  closed_run TEXT,
  PRIMARY KEY (flow, source_id)
);
CREATE INDEX bp_dead_letter_due ON bp_dead_letter (flow, state, first_seen);
CREATE TABLE bp_intent (
  flow TEXT NOT NULL,
  object TEXT NOT NULL,
  key TEXT NOT NULL,
  state TEXT NOT NULL,
  step TEXT NOT NULL,
  reference TEXT NOT NULL,
  target_id TEXT NOT NULL,
  digest TEXT NOT NULL,
  run TEXT NOT NULL,
  reason TEXT NOT NULL,
  attempt INTEGER DEFAULT '0' NOT NULL,
  claim TEXT NOT NULL,
  changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (flow, object, key)
);
CREATE INDEX bp_intent_state ON bp_intent (state, changed_at);
CREATE TABLE bp_reconciliation (
  flow TEXT NOT NULL,
  run TEXT NOT NULL,
  state TEXT NOT NULL,
  period_start TIMESTAMP WITH TIME ZONE,
  period_end TIMESTAMP WITH TIME ZONE NOT NULL,
  in_source INTEGER DEFAULT '0' NOT NULL,
  in_target INTEGER DEFAULT '0' NOT NULL,
  matched INTEGER DEFAULT '0' NOT NULL,
  missing INTEGER DEFAULT '0' NOT NULL,
  differing INTEGER DEFAULT '0' NOT NULL,
  deleted INTEGER DEFAULT '0' NOT NULL,
  repaired INTEGER DEFAULT '0' NOT NULL,
  removed INTEGER DEFAULT '0' NOT NULL,
  counts TEXT NOT NULL,
  money TEXT NOT NULL,
  ids TEXT NOT NULL,
  calls TEXT NOT NULL,
  note TEXT NOT NULL,
  started_at TIMESTAMP WITH TIME ZONE NOT NULL,
  ended_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (flow, run)
);
CREATE INDEX bp_reconciliation_started ON bp_reconciliation (flow, started_at);
CREATE TABLE bp_run (
  flow TEXT NOT NULL,
  run TEXT NOT NULL,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  window_start TIMESTAMP WITH TIME ZONE,
  window_end TIMESTAMP WITH TIME ZONE,
  mapping_version TEXT NOT NULL,
  extracted INTEGER DEFAULT '0' NOT NULL,
  created INTEGER DEFAULT '0' NOT NULL,
  updated INTEGER DEFAULT '0' NOT NULL,
  unchanged INTEGER DEFAULT '0' NOT NULL,
  rejected INTEGER DEFAULT '0' NOT NULL,
  parked INTEGER DEFAULT '0' NOT NULL,
  calls TEXT NOT NULL,
  money TEXT NOT NULL,
  reasons TEXT NOT NULL,
  note TEXT NOT NULL,
  started_at TIMESTAMP WITH TIME ZONE NOT NULL,
  ended_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (flow, run)
);
CREATE INDEX bp_run_started ON bp_run (flow, started_at);
CREATE TABLE bp_schema (
  version INTEGER NOT NULL,
  PRIMARY KEY (version)
);
CREATE TABLE bp_token (
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (name)
);
CREATE TABLE bp_watermark (
  flow TEXT NOT NULL,
  instant TIMESTAMP WITH TIME ZONE NOT NULL,
  run TEXT NOT NULL,
  PRIMARY KEY (flow)
);
INSERT INTO bp_schema (version) VALUES (3);
INSERT INTO bp_binding (flow, object, key, source_id, target_id, fingerprint, created_run, written_run)
VALUES ('orders_to_salesforce', 'Order', '100001', '100001', '801000000100001', 'f100001', 'run1', 'run1');
INSERT INTO bp_binding (flow, object, key, source_id, target_id, fingerprint, created_run, written_run)
VALUES ('orders_to_salesforce', 'Order', '100002', '100002', '801000000100002', 'f100002', 'run1', 'run1');
INSERT INTO bp_dead_letter (flow, source_id, state, stage, reason, object, row, field, value, waits_flow, waits_object, waits_key, amount, currency, payload, mapping_version, run, attempts, first_seen, last_seen)
VALUES ('orders_to_salesforce', '100007', 'parked', 'transform', 'customers_to_salesforce has not synced 12 yet', 'Order', '', 'AccountId', '12', 'customers_to_salesforce', 'Account', '12', '10.50', 'GBP', '{"id":100007}', 'v1', 'run1', 1, '2026-03-31T12:00:00.000000+00:00', '2026-03-31T12:00:00.000000+00:00');
INSERT INTO bp_run (flow, run, kind, state, window_end, mapping_version, extracted, created, updated, unchanged, rejected, parked, calls, money, reasons, note, started_at, ended_at)
VALUES ('orders_to_salesforce', 'run1', 'scheduled', 'done', '2026-03-31T12:00:00.000000+00:00', 'v1', 3, 2, 0, 0, 0, 1, '{}', '{}', '[]', '', '2026-03-31T12:00:00.000000+00:00', '2026-03-31T12:00:00.000000+00:00');
INSERT INTO bp_watermark (flow, instant, run) VALUES ('orders_to_salesforce', '2026-03-31T12:00:00.000000+00:00', 'run1');
