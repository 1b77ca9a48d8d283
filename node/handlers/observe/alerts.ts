// The owner's calls about alerts.
import type { AlertsApi } from '../../control/observe/alerts.ts'
import type { NodeParts } from '../parts.ts'

export function alertsApi({ alerts, until }: NodeParts): AlertsApi {
  return {
    checkAlerts: () => alerts.checkAlerts(),
    listAlerts: (options) => alerts.listAlerts(options),
    testAlerts: ({ signal } = {}) => alerts.testAlerts({ signal: until(signal) }),
  }
}
