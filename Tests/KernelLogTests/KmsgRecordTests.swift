// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import KernelLog

@Suite struct KmsgRecordTests {
  struct Row: Sendable {
    let bytes: String
    /// level, facility, sequence, microseconds, continuation, caller, text
    let fields: String?
  }

  static let rows: [Row] = [
    Row(bytes: "6,339,5140900,-;NET: Registered\n", fields: "6 0 339 5140900 false nil NET: Registered"),
    Row(bytes: "30,340,5690716,-;udevd[80]: starting\n", fields: "6 3 340 5690716 false nil udevd[80]: starting"),
    Row(bytes: "4,1,2,c;,mems_allowed=0\n", fields: "4 0 1 2 true nil ,mems_allowed=0"),
    Row(bytes: "4,1,2,-,caller=T4529;x\n SUBSYSTEM=acpi\n DEVICE=+acpi:PNP0A03:00\n", fields: "4 0 1 2 false T4529 x"),
    Row(bytes: "4,1,2,-,new=3,caller=C1,other;x;y\n", fields: "4 0 1 2 false C1 x;y"),
    Row(bytes: "4,1,2,-;no newline", fields: "4 0 1 2 false nil no newline"),
    Row(bytes: "4,1,2,-;\n", fields: "4 0 1 2 false nil "),
    Row(bytes: #"4,1,2,-;a\x5cx41 \x0a \xc3\xa9 \xzz \x4"#, fields: "4 0 1 2 false nil a\\x41 \n é \\xzz \\x4"),
    Row(bytes: "", fields: nil),
    Row(bytes: ";text\n", fields: nil),
    Row(bytes: "4,1,2;text\n", fields: nil),
    Row(bytes: "4,1,2,-\n;text\n", fields: nil),
    Row(bytes: "4,1,-2,-;text\n", fields: nil),
    Row(bytes: "-4,1,2,-;text\n", fields: nil),
    Row(bytes: "4,1,99999999999999999999,-;text\n", fields: nil),
    Row(bytes: "[  1.0] text\n", fields: nil),
  ]

  @Test("A record is its header and its text with the escapes undone, or nothing at all", arguments: rows)
  func parsing(_ row: Row) {
    let fields = KmsgRecord(Array(row.bytes.utf8)).map { record in
      "\(record.level) \(record.facility) \(record.sequence) \(record.microseconds) \(record.isContinuation) "
        + "\(record.caller?.text ?? "nil") \(String(decoding: record.text, as: UTF8.self))"
    }
    #expect(fields == row.fields)
  }

  @Test("Bytes that are not UTF-8 come through the escapes unchanged")
  func bytesOfNoEncoding() {
    #expect(KmsgRecord(Array(#"3,1,2,-;\xff\xfe\x1b"#.utf8))?.text == [0xff, 0xfe, 0x1b])
  }

  @Test("What user space wrote is marked, whatever level it claims")
  func facility() throws {
    let fixture = Fixture("6.18-injected.kmsg")
    #expect(fixture.lines.map(\.isFromKernel) == [false])
    #expect(ReportAssembler.events(fixture.lines).isEmpty)
    var claimed = fixture.lines[0]
    claimed.isFromKernel = true
    #expect(ReportAssembler.events([claimed]).kills.map(\.victim.pid) == [1])
  }
}
