// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Sinks

/// Where a command that answers once says its answer.
enum StandardOutput {
  /// Less than a sink's queue holds: what finds no room there is dropped.
  private static let pieceBytes = 1024 * 1024

  /// Writes all of it, as long as somebody reads. A disk that is full is a failure, and said.
  static func show(_ text: String) throws { try show(Array(text.utf8)) }

  static func show(_ bytes: [UInt8]) throws {
    let sink = DescriptorSink()
    var rest = bytes[...]
    while !rest.isEmpty, !sink.isClosed {
      _ = sink.write(Array(rest.prefix(pieceBytes)))
      sink.drain(timeoutMilliseconds: Int32.max)
      rest = rest.dropFirst(pieceBytes)
    }
    if let number = sink.failure { throw Diagnostic.fail("cannot write standard output: \(Wording.text(number))") }
  }

  /// Text that comes piece by piece, written in large ones and no faster than it is read.
  final class Stream {
    private let sink = DescriptorSink()
    /// Not written yet.
    private var waiting: [UInt8] = []

    /// False where nobody reads any more.
    @discardableResult func put(_ bytes: [UInt8]) -> Bool {
      waiting += bytes
      if waiting.count >= pieceBytes { write() }
      return !sink.isClosed
    }

    /// Writes the rest.
    func end() throws {
      write()
      if let number = sink.failure { throw Diagnostic.fail("cannot write standard output: \(Wording.text(number))") }
    }

    private func write() {
      var rest = waiting[...]
      while !rest.isEmpty, !sink.isClosed {
        _ = sink.write(Array(rest.prefix(pieceBytes)))
        sink.drain(timeoutMilliseconds: Int32.max)
        rest = rest.dropFirst(pieceBytes)
      }
      waiting.removeAll(keepingCapacity: true)
    }
  }

  /// One JSON text and a newline.
  static func show(_ json: borrowing JSONWriter) throws { try show(json.bytes + [0x0a]) }

  /// Each row as a line of JSON.
  static func show<Row>(lines rows: [Row], _ encode: (Row, inout JSONWriter) -> Void) throws {
    var lines: [UInt8] = []
    var json = JSONWriter(reserving: 1024)
    for row in rows {
      json.reset()
      encode(row, &json)
      json.appendRaw(0x0a)
      lines += json.bytes
    }
    try show(lines)
  }
}
