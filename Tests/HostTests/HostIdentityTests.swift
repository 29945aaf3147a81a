// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc
import Host
import Testing

@Suite("The host is named by its kernel")
struct HostIdentityTests {
  static let bootID = "3e1d4f0a-0c0f-4a51-9d6b-2f8a7e0d9b11"

  @Test(
    "Possible CPUs are counted over all ranges",
    arguments: [("0\n", 1), ("0-1\n", 2), ("0-3,8-11\n", 8), ("0,2,4", 3)])
  func cpus(text: String, count: Int) throws {
    let fixture = try Fixture(["sys/devices/system/cpu/possible": text, "proc/version": ""])
    let host = try HostIdentity(procRoot: "\(fixture.root)/proc", sysRoot: "\(fixture.root)/sys")
    #expect(host.possibleCPUs == count)
    #expect(host.bootID == nil)
  }

  @Test("Junk in the list of CPUs is told", arguments: ["", "\n", "a", "0-", "-1", "3-1", "0,,1", "0-1-2", "0-70000"])
  func junkCPUs(text: String) throws {
    let fixture = try Fixture(["sys/devices/system/cpu/possible": text, "proc/version": ""])
    let line = text == "\n" ? "" : text
    let path = KernelName("\(fixture.root)/sys/devices/system/cpu/possible")
    #expect(throws: HostError.malformed(path: path, line: 1, text: KernelName(line))) {
      try HostIdentity(procRoot: "\(fixture.root)/proc", sysRoot: "\(fixture.root)/sys")
    }
  }

  @Test("A boot id is one word of 36 characters, anything else is told")
  func bootIDs() throws {
    let name = "proc/sys/kernel/random/boot_id"
    let fixture = try Fixture([name: HostIdentityTests.bootID + "\n", "sys/version": ""])
    let (proc, sys) = ("\(fixture.root)/proc", "\(fixture.root)/sys")
    let host = try HostIdentity(procRoot: proc, sysRoot: sys)
    #expect(host.bootID == HostIdentityTests.bootID)
    #expect(host.possibleCPUs == nil)
    for junk in ["", "short", String(repeating: "\u{7}", count: 36)] {
      try fixture.write(KernelName(name), Array(junk.utf8))
      let path = KernelName("\(fixture.root)/\(name)")
      #expect(throws: HostError.malformed(path: path, line: 1, text: KernelName(junk))) {
        try HostIdentity(procRoot: proc, sysRoot: sys)
      }
    }
  }

  @Test("This machine's own names are uname's")
  func live() throws {
    var names = utsname()
    #expect(uname(&names) == 0)
    let release = withUnsafeBytes(of: names.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    let host = try HostIdentity()
    #expect(host.kernelRelease == release)
    #expect(host.pageSizeBytes == getpagesize())
    #expect(host.possibleCPUs.map { $0 >= sysconf(Int32(_SC_NPROCESSORS_CONF)) } == true)
    #expect(host.bootID?.count == 36)
    #expect(host.startTimeTicks(bootNanoseconds: 12_345_678_901) == 12_345_678_901 / 1_000_000_000 * 100 + 34)
  }
}
