// SPDX-License-Identifier: Apache-2.0
import CProbe
import Events
import Glibc
import Testing

@testable import KernelProbe

@Suite struct RecordingTests {
  private static let context = Recording.Context(
    source: .tracepoint, pageSizeBytes: 4096, seesBadness: true, seesMemoryFreed: false, hasManyMemoryNodes: false,
    wallLessMonotonicNanoseconds: 1_700_000_000_000_000_000)

  /// A path that is nobody else's; the file is removed at the end of its life.
  final class Path {
    let path: String

    init() throws {
      var template = Array("/tmp/oomwitness-recording-XXXXXX".utf8CString)
      let descriptor = mkstemp(&template)
      try #require(descriptor >= 0)
      close(descriptor)
      path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    func write(_ bytes: [UInt8]) throws {
      let file = try #require(fopen(path, "we"))
      fwrite(bytes, 1, bytes.count, file)
      fclose(file)
    }

    var bytes: [UInt8] {
      guard let file = fopen(path, "re") else { return [] }
      defer { fclose(file) }
      var bytes = [UInt8](repeating: 0, count: 1 << 20)
      let count = fread(&bytes, 1, bytes.count, file)
      return Array(bytes.prefix(count))
    }

    deinit { unlink(path) }
  }

  private static func write(_ records: [[UInt8]], to path: Path, _ context: Recording.Context = context) throws {
    let writer = try Recording.Writer(path: path.path, context: context)
    for record in records { record.withUnsafeBytes { writer.append($0) } }
  }

  /// What a reader makes of a file: its context, what it tells, and what it says of damage.
  private static func read(_ path: Path) -> (context: Recording.Context?, told: [String], failure: String?) {
    do throws(Recording.Failure) {
      let reader = try Recording.Reader(path: path.path)
      var told: [String] = []
      reader.drain { told.append(text($0)) }
      reader.drain { told.append("again: " + text($0)) }
      return (reader.context, told, reader.failure.map { describe($0, path) })
    } catch {
      return (nil, [], describe(error, path))
    }
  }

  private static func describe(_ failure: Recording.Failure, _ path: Path) -> String {
    switch failure {
    case .open(path.path, let number): "open \(number)"
    case .notARecording(path.path): "not a recording"
    case .damaged(path.path, let offset): "damaged at \(offset)"
    default: "of another path: \(failure)"
    }
  }

  @Test("what was written is read, with what the host knew")
  func roundTrip() throws {
    let path = try Path()
    try RecordingTests.write(Wire.all, to: path)
    let read = RecordingTests.read(path)
    #expect(read.context == RecordingTests.context)
    #expect(read.told == Wire.all.flatMap { Wire.decode($0) })
    #expect(read.told.count == 10)
    #expect(read.failure == nil)
  }

  @Test("each source and each flag of the context survives", arguments: [Source.fentry, .kprobe, .tracepoint])
  func contexts(source: Source) throws {
    for bits in 0..<8 {
      var context = RecordingTests.context
      context.source = source
      (context.seesBadness, context.seesMemoryFreed, context.hasManyMemoryNodes) =
        (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0)
      (context.pageSizeBytes, context.wallLessMonotonicNanoseconds) = (65_536, -5)
      let path = try Path()
      try RecordingTests.write([], to: path, context)
      let read = RecordingTests.read(path)
      #expect(read.context == context)
      #expect(read.told == [] && read.failure == nil)
    }
  }

  @Test("a recording that was cut anywhere tells all whole records before, and where it is cut")
  func truncated() throws {
    let path = try Path()
    let records = [Wire.bytes(Wire.end), Wire.bytes(Wire.outcome(OW_EXIT.rawValue)), Wire.bytes(Wire.kill())]
    try RecordingTests.write(records, to: path)
    let whole = path.bytes
    #expect(whole.count == Recording.headerBytes + 3 * 4 + records.reduce(0) { $0 + $1.count })
    for length in 0..<whole.count {
      try path.write(Array(whole.prefix(length)))
      var start = Recording.headerBytes
      var told: [String] = []
      for record in records where start + 4 + record.count <= length {
        told += Wire.decode(record)
        start += 4 + record.count
      }
      let read = RecordingTests.read(path)
      #expect(read.told == told, "\(length) bytes")
      #expect(
        read.failure
          == (length < Recording.headerBytes ? "not a recording" : length == start ? nil : "damaged at \(start)"))
    }
  }

  @Test("a recording with any damaged byte is read or refused, and never crashes")
  func damaged() throws {
    let path = try Path()
    try RecordingTests.write(Wire.all, to: path)
    let whole = path.bytes
    let told = RecordingTests.read(path).told
    for offset in whole.indices {
      for flip in [0x01, 0x80, 0xff] as [UInt8] {
        var bytes = whole
        bytes[offset] ^= flip
        try path.write(bytes)
        let read = RecordingTests.read(path)
        #expect((read.context == nil) == (read.failure == "not a recording"), "byte \(offset)")
        if offset < 8 { #expect(read.failure == "not a recording", "byte \(offset)") }
        if offset >= Recording.headerBytes { #expect(read.context == RecordingTests.context, "byte \(offset)") }
        // Damage in the last record, an end of a process, leaves all before it.
        if offset >= whole.count - 44 { #expect(read.told.prefix(8) == told.prefix(8), "byte \(offset)") }
      }
    }
  }

  static let junk: [(name: String, bytes: [UInt8], failure: String)] = [
    ("nothing", [], "not a recording"),
    ("text", Array(String(repeating: "oomwrec1 ", count: 20).utf8), "not a recording"),
    ("zeros", [UInt8](repeating: 0, count: 100), "not a recording"),
  ]

  @Test("what is no recording is refused", arguments: junk.indices)
  func notARecording(row: Int) throws {
    let path = try Path()
    try path.write(RecordingTests.junk[row].bytes)
    let read = RecordingTests.read(path)
    #expect(read.failure == RecordingTests.junk[row].failure, "\(RecordingTests.junk[row].name)")
    #expect(read.context == nil)
  }

  @Test("a file that cannot be opened is an error with its path and number")
  func cannotOpen() throws {
    let path = try Path()
    unlink(path.path)
    #expect(RecordingTests.read(path).failure == "open \(ENOENT)")
    do throws(Recording.Failure) {
      _ = try Recording.Writer(path: path.path + "/below", context: RecordingTests.context)
      Issue.record("it was opened")
    } catch {
      guard case .open(_, ENOENT) = error else { Issue.record("\(error)"); return }
    }
  }
}
