// SPDX-License-Identifier: Apache-2.0

/// The limit that would be hit first by a group that grows: its own, or one above it.
package struct CgroupBinding: Hashable, Sendable {
  /// Whose limit it is.
  package var cgroup: CgroupRef
  package var limitBytes: Int64
  /// What that group uses, with all below it.
  package var currentBytes: Int64
  /// The limit less the usage, never below 0.
  package var leftBytes: Int64
  /// Without the page cache that was not used lately. Nil where memory.stat does not tell.
  package var workingSetBytes: Int64?
  /// Page cache in it: goes before anybody is killed. Nil where memory.stat does not tell.
  package var cacheBytes: Int64?
  /// Swap that its memory could go to before anybody is killed. Nil where the host has none, or it is not told.
  package var swapLeftBytes: Int64?
  /// Version 1: who hits it waits in place of being killed.
  package var isKillDisabled: Bool?

  package init(cgroup: CgroupRef, limitBytes: Int64, currentBytes: Int64) {
    self.cgroup = cgroup
    self.limitBytes = limitBytes
    self.currentBytes = currentBytes
    leftBytes = Swift.max(0, limitBytes - currentBytes)
  }

  /// Hundredths of a percent of the limit that are in use, by the working set where it is known.
  package var usedHundredths: Int64 {
    let used = Double(workingSetBytes ?? currentBytes) / Double(Swift.max(1, limitBytes))
    return Int64(Swift.min(used, 100) * 10_000)
  }

  /// From 90 percent of the limit on, by working set. What is left is then mostly less than a process asks for in one go,
  /// and the page cache that could make room is not counted in it. Alerts on cadvisor's working set use 80 to 90 percent;
  /// the higher one, since a container that was given what it needs stands at 80 for its life.
  private static let nearHundredths: Int64 = 9000

  /// Little of it is left.
  package var isNear: Bool { usedHundredths >= CgroupBinding.nearHundredths }

  package func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("path", hexKey: "path_hex", cgroup.path)
      $0.field("limit_bytes", limitBytes)
      $0.field("current_bytes", currentBytes)
      $0.field("working_set_bytes", workingSetBytes)
      $0.field("left_bytes", leftBytes)
      $0.field("cache_bytes", cacheBytes)
      $0.field("swap_left_bytes", swapLeftBytes)
      $0.field("oom_kill_disable", isKillDisabled)
    }
  }
}

/// One control group in full, as `oomwitness cgroup` tells it.
package struct CgroupReport: Hashable, Sendable {
  /// What would run out first where this group grew.
  package enum Scarcity: String, Sendable { case limit, system }

  /// When it was read.
  package var wallNanoseconds: Int64
  package var status: CgroupStatus
  /// From the parent to the root.
  package var ancestors: [CgroupStatus] = []
  /// Nil where no limit is set at or above it.
  package var binding: CgroupBinding?
  package var scarcity: Scarcity
  /// What the host could still give, by MemAvailable.
  package var hostAvailableBytes: Int64?
  /// Whom the kernel would kill where that runs out.
  package var forecast: Forecast?
  /// The group's processes and those below, the one that would be killed first in front.
  package var processes: [ScoreRow] = []
  package var explanation = ""

  package init(wallNanoseconds: Int64, status: CgroupStatus, scarcity: Scarcity) {
    self.wallNanoseconds = wallNanoseconds
    self.status = status
    self.scarcity = scarcity
  }

  /// As docs/schema/cgroup.v1.schema.json has it.
  package func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("time", wallNanoseconds: wallNanoseconds)
      $0.objectField("group") { status.encodeFields(into: &$0) }
      $0.field("ancestors") { json in
        json.array { json in
          for ancestor in ancestors { json.object { ancestor.encodeFields(into: &$0) } }
        }
      }
      if let binding { $0.field("binding") { binding.encode(into: &$0) } }
      $0.field("runs_out_first", scarcity.rawValue)
      $0.field("host_available_bytes", hostAvailableBytes)
      if let forecast { $0.field("forecast") { forecast.encode(into: &$0) } }
      $0.field("processes") { json in
        json.array { json in
          for row in processes { row.encode(into: &json) }
        }
      }
      $0.field("explanation", explanation)
    }
  }
}
