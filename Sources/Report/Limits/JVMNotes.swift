// SPDX-License-Identifier: Apache-2.0
import Events

/// What a JVM is to be told, so that its heap and all beside it stay below the limit.
///
/// The heap is not all: threads' stacks, classes, compiled code and direct buffers lie beside it. Source: java(1),
/// -XX:MaxRAMPercentage (25 where nothing is said), -Xmx, -XX:NativeMemoryTracking; JAVA_TOOL_OPTIONS.
package enum JVMNotes {
  /// What a JVM of any size takes beside its heap.
  private static let besideBytes: Int64 = 256 << 20

  package static func files(_ all: [AdvisedLimit]) -> LimitManifest.Set {
    var set = LimitManifest.Set()
    var lines: [String] = []
    for advised in all {
      let name = advised.evidence.subject.name
      guard advised.load == .jvm else {
        set.left.append(.init(name: name, reason: "no JVM is seen in it"))
        continue
      }
      guard let limit = advised.limitBytes, limit >= 1 << 20 else {
        set.left.append(.init(name: name, reason: "nothing tells what its limit should be"))
        continue
      }
      lines += notes(advised, limit)
    }
    guard !lines.isEmpty else { return set }
    lines.insert("# Written by `oomwitness limits --write jvm`", at: 0)
    set.files = [
      LimitManifest(fileName: "jvm.txt", text: lines.map { $0 + "\n" }.joined()) { _ in [] }
    ]
    return set
  }

  /// A quarter of the limit, `besideBytes` where that is more, and never more than half.
  private static func besideBytes(_ limit: Int64) -> Int64 { max(limit / 4, min(limit / 2, besideBytes)) }

  private static func notes(_ advised: AdvisedLimit, _ limit: Int64) -> [String] {
    let beside = besideBytes(limit)
    let heap = limit - beside
    let percent = heap / (limit / 100)
    let people = SizeText.people
    var lines = LimitManifest.comments(advised, indent: "")
    lines.append(
      "# Of a limit of \(people(limit)): \(people(heap)) for the heap, \(people(beside)) for what lies beside it.")
    switch advised.evidence.jvmHeap {
    case .bytes(let now)?:
      let rest = limit - min(limit, now)
      lines.append(
        rest < beside
          ? "# Its -Xmx of \(people(now)) leaves \(people(rest)) for that: too little."
          : "# Its -Xmx of \(people(now)) leaves \(people(rest)) for that, and will do.")
    case .hundredthsOfPercent(let now)?:
      let whole = "\(now / 100).\(now % 100 / 10)"
      lines.append(
        Int64(now / 100) > percent
          ? "# Its -XX:MaxRAMPercentage of \(whole) is more than that."
          : "# Its -XX:MaxRAMPercentage of \(whole) will do.")
    case nil: lines.append("# Its command line says nothing of the heap: the JVM then takes a quarter of the limit.")
    }
    lines.append("JAVA_TOOL_OPTIONS=-XX:MaxRAMPercentage=\(percent).0")
    lines.append("# or, where the limit is fixed: -Xmx\(heap >> 20)m")
    lines.append("")
    return lines
  }
}
