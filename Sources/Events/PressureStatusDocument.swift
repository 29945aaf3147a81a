// SPDX-License-Identifier: Apache-2.0

/// One look at all that is asked for, each with its level.
///
/// Shape: docs/schema/pressure.v1.schema.json.
package struct PressureStatusDocument: Hashable, Sendable {
  /// A reading and what it amounts to.
  package struct Target: Hashable, Sendable {
    package var reading: PressureReading
    package var level: PressureLevel
    package var causes: [PressureCause]

    package init(_ reading: PressureReading, _ judged: (level: PressureLevel, causes: [PressureCause])) {
      self.reading = reading
      (level, causes) = judged
    }
  }

  package var pageSizeBytes: Int
  package var targets: [Target]

  package init(pageSizeBytes: Int, targets: [Target]) {
    self.pageSizeBytes = pageSizeBytes
    self.targets = targets
  }

  /// The highest of all.
  package var level: PressureLevel { targets.map(\.level).max() ?? .normal }

  package func encode(into json: inout JSONWriter) {
    json.object { json in
      json.field("level", level.name)
      json.field("page_size", pageSizeBytes)
      json.field("targets") { json in
        json.array { json in
          for target in targets {
            json.object {
              $0.field("level", target.level.name)
              $0.field("causes") { $0.strings(target.causes.map(\.rawValue)) }
              target.reading.encodeFields(into: &$0)
            }
          }
        }
      }
    }
  }
}
