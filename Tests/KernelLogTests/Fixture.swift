// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import KernelLog

/// Records of a real kernel, as read(2) gave them, below lines with `#` that name the kernel and the command.
struct Fixture {
  let name: String
  /// One element a record, with its dictionary lines where it has them.
  let records: [[UInt8]]

  /// Files are found from this source file, so that no bundle is needed.
  init(_ name: String) {
    self.name = name
    var records: [[UInt8]] = []
    for line in Fixture.bytes(name).split(separator: UInt8(ascii: "\n")) where line.first != UInt8(ascii: "#") {
      if line.first == UInt8(ascii: " "), !records.isEmpty {
        records[records.count - 1] += line + [UInt8(ascii: "\n")]
      } else {
        records.append(line + [UInt8(ascii: "\n")])
      }
    }
    self.records = records
  }

  var lines: [LogLine] { records.compactMap { KmsgRecord($0).map(LogLine.init) } }

  /// All of the fixtures in the folder, by name.
  static var names: [String] {
    guard let folder = opendir(path("")) else { return [] }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) {
        String(cString: $0.bindMemory(to: CChar.self).baseAddress!)
      }
      if name.hasSuffix(".kmsg") { names.append(name) }
    }
    return names.sorted()
  }

  /// What the kernel killed, by the line that it always prints: its thread id, once a line.
  var killedTIDs: [Int32] {
    lines.filter(\.isFromKernel).compactMap { line in
      let text = String(decoding: line.text, as: UTF8.self)
      guard let range = text.range(of: ": Killed process "), text.contains(") total-vm:") else { return nil }
      guard text.hasPrefix("Out of memory") || text.hasPrefix("Memory cgroup out of memory") else { return nil }
      return Int32(String(text[range.upperBound...].prefix { $0.isNumber }))
    }
  }

  static func bytes(_ name: String) -> [UInt8] {
    guard let file = fopen(path(name), "r") else { return [] }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 64 * 1024)
    while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
    return bytes
  }

  private static func path(_ name: String) -> String {
    let here = #filePath
    return String(here[..<here.lastIndex(of: "/")!]) + "/Fixtures/" + name
  }
}

extension String {
  /// Where `part` is first: without Foundation.
  fileprivate func range(of part: String) -> Range<Index>? {
    var start = startIndex
    while start < endIndex {
      if self[start...].hasPrefix(part) { return start..<index(start, offsetBy: part.count) }
      start = index(after: start)
    }
    return nil
  }

  fileprivate func contains(_ part: String) -> Bool { range(of: part) != nil }
}

extension LogSource {
  /// What a test says of the host where it does not matter.
  static func test(swapTotalPages: Pages? = 0, hasGroupKills: Bool = true) -> LogSource {
    LogSource(source: .kmsg, pageSizeBytes: 4096, swapTotalPages: swapTotalPages, hasGroupKills: hasGroupKills)
  }
}

extension ReportAssembler {
  /// All events of a whole log.
  static func events(_ lines: [LogLine], _ log: LogSource = .test()) -> [LoggedEvent] {
    var assembler = ReportAssembler(log)
    return lines.flatMap { assembler.consume($0) } + assembler.flush()
  }
}

extension [LoggedEvent] {
  var kills: [OOMKill] {
    compactMap { if case .oomKill(let kill) = $0.event { kill } else { nil } }
  }

  /// One JSON line an event, without the envelope's host and wall clock.
  var jsonLines: [String] {
    var encoder = NDJSONEncoder(host: "host", bootID: nil, pageSizeBytes: 4096)
    return map { event in
      let time = EventTime(wallNanoseconds: 0, monotonicNanoseconds: event.monotonicNanoseconds)
      return String(decoding: encoder.line(event.event, at: time).dropLast(), as: UTF8.self)
    }
  }
}

/// A row of text as a line of the log.
func line(_ text: String) -> LogLine { LogLine(text: Array(text.utf8)) }
