// SPDX-License-Identifier: Apache-2.0
import Events

/// A drop-in for each unit: MemoryMax and MemoryHigh.
///
/// Source: systemd.resource-control(5), MemoryMax=, MemoryHigh=; systemd.unit(5), "UNIT.d/".
package enum UnitLimits {
  package static let fileName = "50-oomwitness-limits.conf"
  private static let sections = [
    "service": "Service", "slice": "Slice", "socket": "Socket", "mount": "Mount", "swap": "Swap",
  ]

  package static func files(_ all: [AdvisedLimit]) -> LimitManifest.Set {
    var set = LimitManifest.Set()
    for advised in all {
      let subject = advised.evidence.subject
      guard LimitManifest.changes(advised) else {
        set.unchanged += 1
        continue
      }
      guard let owner = subject.owner, let unit = owner.unit, owner.container == nil, owner.pod == nil else {
        set.left.append(.init(name: subject.name, reason: "it is no unit of systemd's"))
        continue
      }
      guard let section = sections[String(unit.split(separator: ".").last ?? "")] else {
        set.left.append(
          .init(name: subject.name, reason: "it is gone with its processes: no drop-in of it can be kept"))
        continue
      }
      set.files.append(file(unit, section, advised))
    }
    return set
  }

  private static func file(_ unit: String, _ section: String, _ advised: AdvisedLimit) -> LimitManifest {
    let folder = "/etc/systemd/system/\(unit).d"
    let command: @Sendable (String) -> [String] = { path in
      let isThere = path == "\(folder)/\(fileName)"
      let copy = isThere ? [] : ["install -D -m 0644 \(path) '\(folder)/\(fileName)'"]
      return copy + ["systemctl daemon-reload"]
    }
    var lines = [
      "# Written by `oomwitness limits --write systemd`, for \(folder)/\(fileName)",
      "# It takes effect by: systemctl daemon-reload",
    ]
    lines += LimitManifest.comments(advised, indent: "")
    lines.append("[\(section)]")
    if let high = advised.highBytes { lines.append("MemoryHigh=\(SizeText.systemd(high))") }
    lines.append("MemoryMax=\(SizeText.systemd(advised.limitBytes!))")
    return LimitManifest(
      fileName: "\(unit).d/\(fileName)", text: lines.map { $0 + "\n" }.joined(), apply: command)
  }
}
