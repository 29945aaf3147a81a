// SPDX-License-Identifier: Apache-2.0

import Events
import Host
import Testing

@Suite("User names come from the local file alone")
struct UserNamesTests {
  static let passwd = """
    root:x:0:0:root:/root:/bin/bash
    # a comment:x:7:7
    +nis:x:8:8::/:/bin/sh
    :x:9:9::/:/bin/sh
    alice:x:1000:1000:,,,:/home/alice:/bin/sh
    second:x:1000:1000::/:/bin/sh
    junk
    bad:x:12a:0::/:
    negative:x:-1:0::/:
    huge:x:4294967296:0::/:
    last:x:4294967294:0::/:
    """

  @Test(
    "The first entry with the id, and nil where there is none",
    arguments: [
      (0, "root"), (1000, "alice"), (4_294_967_294, "last"), (7, nil), (8, nil), (9, nil), (12, nil), (1, nil),
      (UInt32.max, nil),
    ] as [(UInt32, String?)])
  func name(uid: UInt32, name: String?) throws {
    let fixture = try Fixture(["etc/passwd": UserNamesTests.passwd])
    let names = UserNames(root: fixture.root)
    #expect(try names.name(uid: uid) == name)
    #expect(try names.name(uid: uid) == name)
  }

  @Test("Without a file nobody has a name, and a changed file is read again")
  func changes() throws {
    let fixture = try Fixture()
    let names = UserNames(root: fixture.root)
    #expect(try names.name(uid: 5) == nil)
    try fixture.write(KernelName("etc/passwd"), Array("one:x:5:5::/:\n".utf8))
    names.lookAgain()
    #expect(try names.name(uid: 5) == "one")
    try fixture.write(KernelName("etc/passwd"), Array("another:x:5:5::/:\n".utf8))
    #expect(try names.name(uid: 5) == "one")
    names.lookAgain()
    #expect(try names.name(uid: 5) == "another")
  }

  @Test("More users than the cache holds are answered all the same")
  func bound() throws {
    let count = UInt32(UserNames.cacheLimit + 3)
    let lines = (0..<count).map { "u\($0):x:\($0):0::/:\n" }.joined()
    let fixture = try Fixture(["etc/passwd": lines])
    let names = UserNames(root: fixture.root)
    #expect(try (0..<count).allSatisfy { try names.name(uid: $0) == "u\($0)" })
    #expect(try names.name(uid: count) == nil)
  }

  @Test("This machine's root is root")
  func live() throws {
    #expect(try UserNames().name(uid: 0) == "root")
  }
}
