// SPDX-License-Identifier: Apache-2.0

extension JSONWriter {
  /// A limit as `key`, or as `unlimitedKey: true` where there is none.
  mutating func field(_ key: StaticString, unlimitedKey: StaticString, _ limit: ByteLimit?) {
    switch limit {
    case .bytes(let bytes): field(key, bytes)
    case .unlimited: field(unlimitedKey, true)
    case nil: break
    }
  }
}

extension CgroupStatus {
  /// Its fields, as docs/schema/cgroup.v1.schema.json has them.
  package func encodeFields(into json: inout JSONWriter) {
    json.field("path", hexKey: "path_hex", cgroup.path)
    json.field("id", cgroup.id)
    json.field("version", cgroup.version)
    // Whose it is stands beside it: `fields` of a group without path and id.
    var owner = CgroupRef()
    owner.owner = cgroup.owner
    json.fields(owner)
    json.field("limit_bytes", unlimitedKey: "unlimited", limitBytes)
    json.field("high_bytes", unlimitedKey: "high_unlimited", highBytes)
    json.field("low_bytes", unlimitedKey: "low_unlimited", lowBytes)
    json.field("min_bytes", unlimitedKey: "min_unlimited", minBytes)
    json.field("current_bytes", currentBytes)
    json.field("peak_bytes", peakBytes)
    json.field("working_set_bytes", parts?.inactiveFileBytes == nil ? nil : workingSetBytes)
    json.field("swap_limit_bytes", unlimitedKey: "swap_unlimited", swapLimitBytes)
    json.field("swap_current_bytes", swapCurrentBytes)
    if let parts { json.objectField("parts") { parts.encodeFields(into: &$0) } }
    if let events { json.objectField("events") { events.encodeFields(into: &$0) } }
    if let pressure { json.field("pressure") { pressure.encode(into: &$0) } }
    json.field("oom_group", isKilledAsOne)
    json.field("oom_kill_disable", isKillDisabled)
    json.field("processes", processCount)
  }
}

extension CgroupStatus.Parts {
  fileprivate func encodeFields(into json: inout JSONWriter) {
    json.field("anon_bytes", anonBytes)
    json.field("file_bytes", fileBytes)
    json.field("shmem_bytes", shmemBytes)
    json.field("kernel_bytes", kernelBytes)
    json.field("slab_reclaimable_bytes", slabReclaimableBytes)
    json.field("slab_unreclaimable_bytes", slabUnreclaimableBytes)
    json.field("socket_bytes", socketBytes)
    json.field("dirty_bytes", dirtyBytes)
    json.field("inactive_file_bytes", inactiveFileBytes)
  }
}

extension CgroupStatus.Events {
  fileprivate func encodeFields(into json: inout JSONWriter) {
    json.field("low", low)
    json.field("high", high)
    json.field("max", max)
    json.field("oom", oom)
    json.field("oom_kill", oomKills)
    json.field("oom_group_kill", groupKills)
  }
}

extension CgroupNode {
  /// The tree as one array in which each group stands before those below it, with its depth.
  package func encode(into json: inout JSONWriter, wallNanoseconds: Int64) {
    json.object {
      $0.field("time", wallNanoseconds: wallNanoseconds)
      $0.field("groups") { json in
        json.array { json in
          forEach { status, depth in
            json.object {
              $0.field("depth", depth)
              status.encodeFields(into: &$0)
            }
          }
        }
      }
      $0.field("omitted", omitted == 0 ? nil : omitted)
    }
  }
}
