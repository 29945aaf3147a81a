// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Testing

@testable import KernelLog

@Suite struct KmsgReaderTests {
  @Test("A loss is told before the record after it, with its size where a record came before")
  func overwritten() {
    func record(_ sequence: Int) -> [UInt8] { Array("6,\(sequence),0,-;x\n".utf8) }
    func step(_ sequence: Int) -> KmsgReader.Step { .record(KmsgRecord(record(sequence))!) }
    var ledger = KmsgLedger()
    ledger.overwritten()
    #expect(ledger.step(forRecord: record(7)[...]) == .overwritten(records: nil))
    #expect(ledger.takeHeld() == step(7))
    #expect(ledger.takeHeld() == nil)
    #expect(ledger.step(forRecord: record(8)[...]) == step(8))
    ledger.overwritten()
    #expect(ledger.step(forRecord: record(20)[...]) == .overwritten(records: 11))
    #expect(ledger.takeHeld() == step(20))
    #expect(ledger.step(forRecord: Array("junk".utf8)[...]) == .unreadable(Array("junk".utf8)))
    #expect(ledger.step(forRecord: record(21)[...]) == step(21))
    #expect(ledger.step(forRecord: record(23)[...]) == .overwritten(records: 1))
  }

  @Test(
    "A path that cannot be read is an error with the path and the errno",
    arguments: [
      ("/nowhere/kmsg", KernelLogError.openFailed(path: "/nowhere/kmsg", errno: ENOENT)),
      ("/dev/stdin-not-there", .openFailed(path: "/dev/stdin-not-there", errno: ENOENT)),
    ])
  func missing(path: String, expected: KernelLogError) {
    #expect(throws: expected) { _ = try KmsgReader(path: path) }
  }

  @Test("A folder opens, and reading it is the error")
  func folder() throws {
    var reader = try KmsgReader(path: "/", from: .oldest)
    var caught: KernelLogError?
    do { _ = try reader.next() } catch { caught = error }
    #expect(caught == .readFailed(path: "/", errno: EISDIR))
  }

  @Test("A line written to /dev/kmsg comes back as user space's, and none is left after it")
  func device() throws {
    let writer = open("/dev/kmsg", O_WRONLY | O_CLOEXEC)
    guard writer >= 0 else {
      let mustRun = getenv("OOMWITNESS_MUST_RUN") != nil
      #expect(!mustRun, "cannot open /dev/kmsg: errno \(errno)")
      return
    }
    defer { close(writer) }
    var reader = try KmsgReader()
    let text = "oomwitness test \(getpid()): Killed process \\ é"
    let bytes = Array("<3>\(text)\n".utf8)
    #expect(write(writer, bytes, bytes.count) == bytes.count)
    var found: KmsgRecord?
    while case .record(let record) = try reader.next() {
      if record.text == Array(text.utf8) { found = record }
    }
    #expect(found?.level == 3)
    #expect(found?.facility == 1)
  }

  @Test("From the oldest record on, every record is read as one")
  func oldest() throws {
    guard access("/dev/kmsg", R_OK) == 0 else {
      #expect(getenv("OOMWITNESS_MUST_RUN") == nil, "cannot read /dev/kmsg: errno \(errno)")
      return
    }
    var reader = try KmsgReader(from: .oldest)
    var (records, unreadable) = (0, 0)
    loop: while true {
      switch try reader.next() {
      case .record: records += 1
      case .unreadable: unreadable += 1
      case .overwritten: continue
      case .empty: break loop
      }
    }
    #expect(records > 0)
    #expect(unreadable == 0)
  }
}
