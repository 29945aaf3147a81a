// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Cuts what `journalctl --output=export` writes into entries, as it comes, in pieces of any length.
///
/// A field is `NAME=value` and a newline, or, where the value holds more than text, `NAME`, a newline, the value's length as
/// eight bytes from the lowest on, the value and a newline; an empty line ends an entry. Of all fields only those that an
/// entry of ours is made of are kept. Source: systemd, docs/JOURNAL_EXPORT_FORMATS.md.
struct JournalExport {
  /// What journald itself refuses. Source: systemd, src/shared/journal-importer.h, DATA_SIZE_MAX and FIELD_NAME_LENGTH_MAX.
  private static let valueBytesMax: UInt64 = 768 << 20
  private static let nameBytesMax = 64

  /// What a log begins with that is in this form.
  static let beginning = Array("__CURSOR=".utf8)

  private enum State {
    case line
    /// The length of a value, as far as it has come.
    case length(name: String?, bytes: [UInt8])
    /// So many bytes of a value are to come; a nil name is a field that nobody wants.
    case value(name: String?, bytes: [UInt8], left: Int)
    /// The newline after such a value.
    case valueEnd
  }

  private var state = State.line
  /// A line that is not complete, or the first bytes of one that is too long, and how long it is.
  private var unfinished: [UInt8] = []
  private var unfinishedBytes = 0
  private var fields: [String: [UInt8]] = [:]

  /// Takes the next piece; `tell` gets each entry with a message. Nil, or where something begins that is of no entry: the
  /// bytes of it that came before, and where in the piece it goes on. From there on the log is in another form.
  mutating func take(
    _ piece: UnsafeBufferPointer<UInt8>, tell: (JournalEntry) -> Void
  ) -> (before: [UInt8], rest: Int)? {
    var index = 0
    while index < piece.count {
      switch state {
      case .line:
        let begin = index
        guard let found = memchr(piece.baseAddress! + index, 0x0a, piece.count - index) else {
          keep(piece[index...])
          return nil
        }
        index = UnsafeRawPointer(found) - UnsafeRawPointer(piece.baseAddress!) + 1
        if let line = takeLine(piece[begin..<(index - 1)], tell) { return (line + [0x0a], index) }
      case .length(let name, var bytes):
        bytes.append(piece[index])
        index += 1
        state = .length(name: name, bytes: bytes)
        guard bytes.count == 8 else { continue }
        let length = bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard length <= JournalExport.valueBytesMax else { return ([], index) }
        state = .value(name: length <= LogText.lineBytesMax ? name : nil, bytes: [], left: Int(length))
      case .value(let name, var bytes, let left):
        let count = min(left, piece.count - index)
        if name != nil { bytes += piece[index..<(index + count)] }
        index += count
        state = .value(name: name, bytes: bytes, left: left - count)
        guard left == count else { continue }
        if let name { keep(name, bytes) }
        state = .valueEnd
      case .valueEnd:
        guard piece[index] == 0x0a else { return ([], index) }
        index += 1
        state = .line
      }
    }
    return nil
  }

  /// The log has ended: its last line may lack its end, and its last entry the empty line. Gives a line of no entry.
  mutating func end(tell: (JournalEntry) -> Void) -> [UInt8] {
    guard case .line = state else { return [] }
    let nothing = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
    let other = unfinishedBytes == 0 ? nil : takeLine(nothing[...], tell)
    if case .line = state { tellEntry(tell) }
    return other ?? []
  }

  private mutating func keep(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) {
    unfinished += bytes.prefix(LogText.lineBytesMax - unfinished.count)
    unfinishedBytes += bytes.count
  }

  /// Takes the rest of a line; gives the line where it is of no entry.
  private mutating func takeLine(
    _ end: Slice<UnsafeBufferPointer<UInt8>>, _ tell: (JournalEntry) -> Void
  ) -> [UInt8]? {
    if unfinishedBytes == 0, end.count <= LogText.lineBytesMax { return takeWhole(end, tell) ? nil : Array(end) }
    keep(end)
    defer {
      unfinished.removeAll(keepingCapacity: true)
      unfinishedBytes = 0
    }
    let (line, isTooLong) = (unfinished, unfinishedBytes > unfinished.count)
    let isField = line.withUnsafeBufferPointer { takeWhole($0[...], isTooLong: isTooLong, tell) }
    return isField ? nil : line
  }

  /// False where it is no field of an entry. Of a value that is too long nothing is kept.
  private mutating func takeWhole(
    _ line: Slice<UnsafeBufferPointer<UInt8>>, isTooLong: Bool = false, _ tell: (JournalEntry) -> Void
  ) -> Bool {
    if line.isEmpty {
      tellEntry(tell)
      return true
    }
    let head = line.prefix(JournalExport.nameBytesMax + 1)
    let end = head.firstIndex(of: UInt8(ascii: "=")) ?? line.endIndex
    let name = line[line.startIndex..<end]
    guard name.count <= JournalExport.nameBytesMax, name.allSatisfy(JournalExport.isOfName) else { return false }
    let wanted = JournalEntry.wantedName(name)
    if end < line.endIndex {
      if let wanted, !isTooLong { keep(wanted, Array(line[(end + 1)...])) }
    } else {
      state = .length(name: wanted, bytes: [])
    }
    return true
  }

  private static func isOfName(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "_") || byte.isDigit || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
  }

  /// Of a field with several values the first.
  private mutating func keep(_ name: String, _ value: [UInt8]) { if fields[name] == nil { fields[name] = value } }

  private mutating func tellEntry(_ tell: (JournalEntry) -> Void) {
    if let entry = JournalEntry(fields) { tell(entry) }
    fields.removeAll(keepingCapacity: true)
  }
}
