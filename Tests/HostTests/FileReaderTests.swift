// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc
import Testing

@testable import Host

@Suite("Files are read whole, up to a limit that is told")
struct FileReaderTests {
  @Test("A file is its bytes, whatever was read into the buffer before", arguments: [0, 1, 8191, 8192, 8193, 40_000])
  func wholeFile(count: Int) throws {
    let fixture = try Fixture()
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    try fixture.write(KernelName("long"), [UInt8](repeating: 0xff, count: 50_000))
    try fixture.write(KernelName("file"), bytes)
    let directory = try Directory(path: fixture.root)
    let files = FileReader()
    let before = try #require(try files.contents("long", in: directory, limitBytes: 50_000))
    let contents = try #require(try files.contents(KernelName("file"), in: directory))
    #expect(Array(contents.bytes) == bytes)
    #expect(!contents.isTruncated)
    #expect(before.bytes.count == 50_000 && before.bytes.allSatisfy { $0 == 0xff })
  }

  @Test(
    "A file of exactly the limit is whole, one byte more is an error or a beginning",
    arguments: [(9, false), (10, false), (11, true), (100_000, true)])
  func limit(count: Int, isTruncated: Bool) throws {
    let fixture = try Fixture(["file": String(repeating: "x", count: count)])
    let directory = try Directory(path: fixture.root)
    let beginning = try #require(try FileReader().beginning(KernelName("file"), in: directory, limitBytes: 10))
    #expect(beginning.isTruncated == isTruncated)
    #expect(beginning.bytes.count == min(count, 10))
    let error = HostError.tooLarge(path: KernelName("\(fixture.root)/file"), limitBytes: 10)
    if isTruncated {
      #expect(throws: error) { try FileReader().contents("file", in: directory, limitBytes: 10) }
    } else {
      #expect(try FileReader().contents("file", in: directory, limitBytes: 10)?.bytes.count == count)
    }
  }

  @Test("What is gone is nil, and what is refused is an error with path and errno")
  func gone() throws {
    let fixture = try Fixture(["file": "", "folder/file": ""])
    let directory = try Directory(path: fixture.root)
    #expect(try FileReader().contents(KernelName("none"), in: directory) == nil)
    #expect(try FileReader().contents(KernelName(bytes: [0x61, 0, 0x62]), in: directory) == nil)
    #expect(try directory.link(KernelName("none")) == nil)
    let missing = try directory.directory(KernelName("none")) == nil
    #expect(missing)
    let path = KernelName(fixture.root)
    #expect(throws: HostError.system(operation: .read, path: path.appending(KernelName("folder")), errno: EISDIR)) {
      try FileReader().contents(KernelName("folder"), in: directory)
    }
    #expect(throws: HostError.system(operation: .readlink, path: path.appending(KernelName("file")), errno: EINVAL)) {
      try directory.link(KernelName("file"))
    }
    #expect(throws: HostError.system(operation: .open, path: KernelName("/nowhere"), errno: ENOENT)) {
      _ = try Directory(path: "/nowhere")
    }
    #expect(throws: HostError.system(operation: .open, path: path.appending(KernelName("file")), errno: ENOTDIR)) {
      _ = try directory.directory(KernelName("file"))
    }
  }

  @Test(
    "A number is digits that fit, and nothing else",
    arguments: [
      ("0", 0), ("-1", -1), ("007", 7), ("2147483647", Int32.max), ("2147483648", nil), ("", nil), ("-", nil),
      ("+1", nil), (" 1", nil), ("1 ", nil), ("1a", nil), ("--1", nil), ("99999999999999999999999", nil),
      ("\u{0661}", nil),
    ] as [(String, Int32?)])
  func decimal(text: String, number: Int32?) {
    #expect(Decimal.signed(Array(text.utf8)[...]) == number)
  }

  @Test("Gone, refused and broken are three things")
  func outcomes() {
    let codes = [ENOENT, ESRCH, ENODEV, EACCES, EPERM, EIO, ENOTDIR, ESTALE]
    #expect(codes.filter(SystemCall.Outcome.isGone) == [ENOENT, ESRCH, ENODEV])
    #expect(codes.filter(SystemCall.Outcome.isRefusal) == [EACCES, EPERM])
  }

  @Test("Kilobytes become whole pages, and never overflow")
  func pages() {
    #expect(Decimal.pages(kibibytes: 7, pageSizeBytes: 4096) == 1)
    #expect(Decimal.pages(kibibytes: 128, pageSizeBytes: 65_536) == 2)
    #expect(Decimal.pages(kibibytes: Int64.max, pageSizeBytes: 4096) == nil)
  }
}

extension FileContents: Equatable {
  public static func == (one: FileContents, other: FileContents) -> Bool {
    (one.path, one.bytes, one.isTruncated) == (other.path, other.bytes, other.isTruncated)
  }
}
