// SPDX-License-Identifier: Apache-2.0

/// Says a kill in one English sentence, with the numbers in it.
///
/// A person on call reads this first: who died, for whose need, at whose limit, and why this one and not another.
package struct Explanation: Sendable {
  package let pageSizeBytes: Int

  package init(pageSizeBytes: Int) { self.pageSizeBytes = pageSizeBytes }

  package func sentence(_ kill: OOMKill) -> String { String(decoding: bytes(kill), as: UTF8.self) }

  /// The sentence in UTF-8.
  func bytes(_ kill: OOMKill) -> [UInt8] {
    var sentence = Sentence()
    sentence += "The kernel killed "
    sentence.name(kill.victim.comm, pid: kill.victim.pid)
    if let phrase = kill.victim.cgroup?.owner?.phrase {
      sentence += " in "
      sentence.name(KernelName(phrase))
    }
    held(kill, in: &sentence)
    cause(kill, in: &sentence)
    why(kill, in: &sentence)
    sentence += "."
    return sentence.bytes
  }

  private func held(_ kill: OOMKill, in sentence: inout Sentence) {
    guard let parts = kill.badness?.parts, parts.residentPages + parts.swapPages > 0 else { return }
    sentence += ", which held "
    sentence.size(bytes: bytes(parts.residentPages))
    sentence += " of memory"
    if parts.swapPages > 0 {
      sentence += " and "
      sentence.size(bytes: bytes(parts.swapPages))
      sentence += " in swap"
    }
    sentence += ","
  }

  private func cause(_ kill: OOMKill, in sentence: inout Sentence) {
    sentence += " because "
    if kill.decision.path == .sysrq {
      sentence += "somebody asked for it by sysrq-f"
      return
    }
    switch kill.scope {
    case .memcg: limit(kill, in: &sentence)
    case .cpuset: sentence += "the memory nodes of its cpuset were full"
    case .mempolicy: sentence += "the memory nodes of the allocation's NUMA policy were full"
    case .system: sentence += "the whole system was out of memory"
    case nil: sentence += "memory ran out"
    }
    guard let trigger = kill.trigger else { return }
    if trigger.isVictim == true {
      sentence += " when it asked for memory"
    } else if let comm = trigger.comm, let pid = trigger.pid {
      sentence += " when "
      sentence.name(comm, pid: pid)
      sentence += " asked for memory"
    }
  }

  private func limit(_ kill: OOMKill, in sentence: inout Sentence) {
    let limit = kill.limit
    if let phrase = limit?.cgroup?.owner?.phrase {
      if phrase == kill.victim.cgroup?.owner?.phrase {
        sentence += limit?.cgroup?.owner?.container == nil ? "this pod" : "this container"
      } else {
        sentence.name(KernelName(phrase))
      }
    } else if let path = limit?.cgroup?.path {
      sentence += "cgroup "
      sentence.name(path)
    } else {
      sentence += "a cgroup"
    }
    sentence += " was at its limit"
    guard let pages = limit?.limit?.pages else { return }
    sentence += " of "
    sentence.size(bytes: bytes(pages))
  }

  private func why(_ kill: OOMKill, in sentence: inout Sentence) {
    switch kill.victim.role {
    case .group: sentence += " and its whole cgroup was killed with it, since memory.oom.group is set there"
    case .sharesMemory: sentence += " and it shared its memory with the process that was chosen"
    case .chosen, nil:
      if kill.decision.path == .allocatingTask {
        sentence += " and vm.oom_kill_allocating_task makes the one who asks pay"
      } else if let points = kill.badness?.points, let candidates = kill.candidates {
        why(points, adj: kill.victim.oomScoreAdj, among: candidates, in: &sentence)
      }
    }
  }

  private func why(_ points: Pages, adj: Int?, among candidates: Candidates, in sentence: inout Sentence) {
    guard candidates.considered > 1, let margin = candidates.runnerUpMarginPages else {
      if candidates.considered == 1 { sentence += " and it was the only process that could be chosen" }
      return
    }
    sentence += " and its "
    sentence.number(points)
    sentence += " points"
    if let adj, adj != 0 {
      sentence += " with an oom_score_adj of "
      sentence.number(Int64(adj))
    }
    sentence += " were the most among "
    sentence.number(Int64(candidates.considered))
    sentence += " processes, "
    sentence.number(margin)
    sentence += " above the next"
  }

  private func bytes(_ pages: Pages) -> Int64 { pages &* Pages(pageSizeBytes) }

  /// Pages as a size for people: `31.8 MiB`.
  package func size(_ pages: Pages) -> String { size(bytes: bytes(pages)) }

  /// Bytes as a size for people: `31.8 MiB`.
  package func size(bytes: Int64) -> String {
    var sentence = Sentence()
    sentence.size(bytes: bytes)
    return String(decoding: sentence.bytes, as: UTF8.self)
  }
}

/// A sentence that is put together as bytes: a kill is told at once, and each String between costs an allocation.
private struct Sentence {
  private(set) var bytes: [UInt8] = []

  init() { bytes.reserveCapacity(512) }

  static func += (sentence: inout Sentence, text: StaticString) { sentence.append(text) }

  @inline(never)
  private mutating func append(_ text: StaticString) {
    bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  @inline(never)
  mutating func number(_ number: Int64) {
    if number < 0 { self += "-" }
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Decimals.digitsMax) { digits in
      let count = Decimals.write(number.magnitude, to: digits.baseAddress!)
      bytes.append(contentsOf: digits[..<count])
    }
  }

  /// A name that a terminal can take: control characters as `\x1b`.
  mutating func name(_ name: KernelName) {
    if name.isPlainASCII { bytes += name.bytes } else { bytes += TerminalText.safe(name).utf8 }
  }

  mutating func name(_ comm: KernelName, pid: Int32) {
    name(comm)
    self += " (pid "
    number(Int64(pid))
    self += ")"
  }

  mutating func size(bytes: Int64) {
    let units: [StaticString] = [" KiB", " MiB", " GiB", " TiB"]
    var scale: Int64 = 1024
    var unit = 0
    while unit + 1 < units.count, bytes >= scale * 1024 {
      scale *= 1024
      unit += 1
    }
    let tenths = bytes / scale * 10 + (bytes % scale * 10 + scale / 2) / scale
    number(tenths / 10)
    if unit > 0 {
      self += "."
      number(tenths % 10)
    }
    self += units[unit]
  }
}

/// Makes text from the kernel or from users safe for a terminal.
package enum TerminalText {
  /// Control characters, DEL, the C1 range and the bidirectional marks become `\xHH` or `\u{HHHH}`; the rest stays.
  package static func safe(_ name: KernelName) -> String { safe(name.text) }

  package static func safe(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar.value {
      case 0x00..<0x20, 0x7f..<0xa0: result += "\\x" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
      case 0x61c, 0x200b..<0x2010, 0x2028..<0x202f, 0x2060..<0x2070, 0xfeff:
        result += "\\u{" + String(scalar.value, radix: 16) + "}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
