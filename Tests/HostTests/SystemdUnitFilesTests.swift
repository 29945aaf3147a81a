// SPDX-License-Identifier: Apache-2.0
import Events
import Host
import Testing

/// Unit files and drop-ins below a root of our own.
@Suite struct SystemdUnitFilesTests {
  typealias Settings = SystemdUnitFiles.Settings

  static let table: [(unit: String, files: [String: String], settings: Settings?)] = [
    ("db.service", [:], nil),
    ("db.service", ["usr/lib/systemd/system/db.service": "[Service]\n"], Settings()),
    (
      "db.service", ["lib/systemd/system/db.service": "[Unit]\nOOMScoreAdjust=5\n[Service]\nOOMScoreAdjust = -5\n"],
      Settings(oomScoreAdjust: -5)
    ),
    (
      "db.service",
      [
        "etc/systemd/system/db.service": "[Service]\nOOMScoreAdjust=1\n",
        "usr/lib/systemd/system/db.service": "[Service]\nOOMScoreAdjust=2\n",
      ], Settings(oomScoreAdjust: 1)
    ),
    (
      "db.service",
      [
        "lib/systemd/system/db.service": "[Service]\nOOMScoreAdjust=1\nOOMPolicy=stop\n",
        "etc/systemd/system/db.service.d/10-a.conf": "[Service]\nOOMScoreAdjust=2\n",
        "run/systemd/system/db.service.d/20-b.conf":
          "# c\n; d\n[Service]\n#OOMScoreAdjust=9\nOOMScoreAdjust=3\nOOMPolicy=\n",
        "run/systemd/system/db.service.d/note.txt": "[Service]\nOOMScoreAdjust=4\n",
      ], Settings(oomScoreAdjust: 3)
    ),
    (
      "db.service",
      [
        "lib/systemd/system/db.service": "[Service]\n",
        "etc/systemd/system/db.service.d/10-a.conf": "[Service]\n",
        "lib/systemd/system/db.service.d/10-a.conf": "[Service]\nOOMScoreAdjust=2\n",
      ], Settings()
    ),
    (
      "db@one.service",
      [
        "lib/systemd/system/db@.service": "[Service]\nOOMPolicy=kill\n",
        "etc/systemd/system/service.d/x.conf": "[Service]\nOOMScoreAdjust=7\n",
      ], Settings(oomScoreAdjust: 7, oomPolicy: "kill")
    ),
  ]

  @Test("the last word of unit and drop-ins counts", arguments: table)
  func settings(unit: String, files: [String: String], settings: Settings?) throws {
    let fixture = try Fixture(files)
    #expect(try SystemdUnitFiles(root: fixture.root).settings(unit: unit) == settings)
  }

  @Test(
    "a service is named with or without its type",
    arguments: [
      ("db", "db.service"), ("db.service", "db.service"), ("db@", "db@.service"), ("db@1", "db@1.service"),
      ("db@.service", "db@.service"), ("a-b.c", "a-b.c.service"), ("db.socket", nil), ("user.slice", nil), ("", nil),
      (".", "..service"), ("..", "...service"), ("a/b", nil), ("a b", nil), ("@", nil), ("a\u{1b}", nil),
    ] as [(String, String?)])
  func serviceNames(text: String, name: String?) {
    #expect(SystemdUnit.service(named: text) == name)
  }
}
