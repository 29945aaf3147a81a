// SPDX-License-Identifier: Apache-2.0
import Events

/// What is to be said of a container on one look.
package enum ContainerVerdicts {
  /// - Parameter binding: the limit that it would hit first.
  package static func verdict(_ status: CgroupStatus, _ binding: CgroupBinding?) -> ContainerRow.Verdict {
    let isNear = binding?.isNear ?? false
    if isNear, binding?.isKillDisabled == true { return .waiting }
    if let kills = status.events?.oomKills, kills > 0 { return .killed }
    guard let binding else { return .noLimit }
    guard isNear else { return .fine }
    return binding.cgroup.path == status.cgroup.path ? .nearLimit : .nearPodLimit
  }
}
