// SPDX-License-Identifier: Apache-2.0

extension MemoryBefore {
  /// Series of one record; a file may hold anything.
  private static let seriesMax = 32
  /// Numbers of one series.
  fileprivate static let numbersMax = 4096

  /// As the file keeps it and `history show --output json` prints it.
  package func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("total_pages", totalPages)
      $0.field("swap_total_pages", swapTotalPages)
      $0.field("before_ms", millisecondsBefore)
      $0.field("available_pages", availablePages)
      if swapTotalPages != nil { $0.field("swap_free_pages", swapFreePages) }
      if !someHundredths.isEmpty {
        $0.field("stall_some_hundredths", someHundredths)
        $0.field("stall_full_hundredths", fullHundredths)
      }
      $0.field("processes") { json in
        json.array { json in
          for process in processes { process.encode(into: &json) }
        }
      }
    }
  }

  /// Nil for what is no such record, or one that contradicts itself.
  package init?(json text: [UInt8]) {
    self.init(totalPages: 0)
    var rest = text
    var json = JSONReader {
      defer { rest = [] }
      return rest
    }
    do throws(JSONReader.Fault) {
      let isObject = try json.object { (json, key) throws(JSONReader.Fault) in
        switch key {
        case "total_pages": totalPages = try json.whole() ?? 0
        case "swap_total_pages": swapTotalPages = try json.whole()
        case "before_ms": millisecondsBefore = try json.integers(MemoryBefore.numbersMax)
        case "available_pages": availablePages = try json.integers(MemoryBefore.numbersMax)
        case "swap_free_pages": swapFreePages = try json.integers(MemoryBefore.numbersMax)
        case "stall_some_hundredths": someHundredths = try json.integers(MemoryBefore.numbersMax)
        case "stall_full_hundredths": fullHundredths = try json.integers(MemoryBefore.numbersMax)
        case "processes":
          try json.array { (json) throws(JSONReader.Fault) in
            guard let one = try Series(&json), processes.count < MemoryBefore.seriesMax else { return }
            processes.append(one)
          }
        default: return false
        }
        return true
      }
      try json.end()
      guard isObject, isConsistent else { return nil }
    } catch {
      return nil
    }
  }

  /// Each series has a number for each moment that it names.
  private var isConsistent: Bool {
    let looks = millisecondsBefore.count - 1
    guard totalPages > 0, looks > 0, availablePages.count == looks else { return false }
    let optional = [swapFreePages, someHundredths, fullHundredths]
    return optional.allSatisfy { $0.isEmpty || $0.count == looks }
      && processes.allSatisfy { process in
        !process.moments.isEmpty && process.residentPages.count == process.moments.count
          && process.swapPages.count == process.moments.count
          && process.moments.allSatisfy { millisecondsBefore.indices.contains($0) }
      }
  }
}

extension MemoryBefore.Series {
  fileprivate func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("pid", pid)
      $0.field("comm", hexKey: "comm_hex", comm)
      $0.field("is_victim", isVictim ? true : nil)
      $0.field("at", moments.map(Int64.init))
      $0.field("resident_pages", residentPages)
      if swapPages.contains(where: { $0 != 0 }) { $0.field("swap_pages", swapPages) }
    }
  }

  fileprivate init?(_ json: inout JSONReader) throws(JSONReader.Fault) {
    let numbersMax = MemoryBefore.numbersMax
    var (pid, text, hex, isVictim): (Int64?, String?, String?, Bool) = (nil, nil, nil, false)
    var moments: [Int64] = []
    var (resident, swap): ([Pages], [Pages]) = ([], [])
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "pid": pid = try json.integer()
      case "comm": text = try json.text()
      case "comm_hex": hex = try json.text()
      case "is_victim": isVictim = try json.flag() ?? false
      case "at": moments = try json.integers(numbersMax)
      case "resident_pages": resident = try json.integers(numbersMax)
      case "swap_pages": swap = try json.integers(numbersMax)
      default: return false
      }
      return true
    }
    let name = hex.flatMap { KernelName(hex: $0) } ?? text.map { KernelName($0) }
    guard let pid = pid.flatMap({ Int32(exactly: $0) }), let name else { return nil }
    self.init(pid: pid, comm: name, isVictim: isVictim)
    self.moments = moments.map { Int(clamping: $0) }
    residentPages = resident
    swapPages = swap.isEmpty ? resident.map { _ in 0 } : swap
  }
}

extension JSONWriter {
  fileprivate mutating func field(_ key: StaticString, _ numbers: [Int64]) {
    field(key) { json in
      json.array { json in
        for number in numbers { json.value(number) }
      }
    }
  }
}

extension JSONReader {
  /// Whole numbers, the first `limit` of them; what is none is left out.
  fileprivate mutating func integers(_ limit: Int) throws(Fault) -> [Int64] {
    var numbers: [Int64] = []
    try array { (json) throws(Fault) in
      guard let number: Int64 = try json.whole(), numbers.count < limit else { return }
      numbers.append(number)
    }
    return numbers
  }
}
