-- Who was dropped by Cloud NAT, toward where, when: the last day, by quarter of an hour.
-- Tables and columns are those that a sink makes of log entries: the log's name with _ for
-- what is no letter, jsonPayload with its fields as they are.
--   https://cloud.google.com/logging/docs/export/bigquery
--   https://cloud.google.com/nat/docs/monitoring
SELECT
  TIMESTAMP_SECONDS(900 * DIV(UNIX_SECONDS(timestamp), 900)) AS quarter,
  jsonPayload.endpoint.vm_name AS vm,
  resource.labels.gateway_name AS gateway,
  jsonPayload.connection.dest_ip AS destination,
  CAST(jsonPayload.connection.dest_port AS INT64) AS port,
  COUNT(*) AS dropped,
  MIN(timestamp) AS first,
  MAX(timestamp) AS last
FROM
  `PROJECT.egress_logs.compute_googleapis_com_nat_flows`
WHERE
  timestamp > TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 1 DAY)
  AND jsonPayload.allocation_status = 'DROPPED'
GROUP BY quarter, vm, gateway, destination, port
ORDER BY quarter DESC, dropped DESC
LIMIT 1000
