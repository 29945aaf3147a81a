// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
//
// The house, in reading order; an arrow is an import, and HouseTests refuses any other.
//
//   Events        what we say                         -> nothing
//   KernelProbe   what the kernel tells, by BPF       -> CProbe, CLibbpf, Events
//   Host          what /proc and cgroupfs tell        -> CLinux, Events
//   KernelLog     what the kernel's log tells         -> CLinux, Events
//   Policy        who would die, what to protect      -> Events
//   Configuration what people declare, in YAML        -> CYAML, Events, Policy
//   Witness       records + host facts -> events      -> Host, Events
//   Sinks         where lines go                      -> CLinux, Events
//   History       what was told, kept                 -> CSQLite, Events
//   Metrics       counts of events, for scrapers      -> CLinux, Events
//   Report        text for people                     -> Events
//   oomwitness    the command; words every error      -> all but the C modules
//
// `make` is the one door: it compiles bpf/ before Swift can import its skeletons.
import PackageDescription

let settings: [SwiftSetting] = [.treatAllWarnings(as: .error)]
/// Small code, for all but the reader of logs, which goes through gigabytes.
let small = settings + [.unsafeFlags(["-Osize"], .when(configuration: .release))]

let package = Package(
  name: "oomwitness",
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    // MARK: Events
    .target(name: "Events", swiftSettings: small),

    // MARK: KernelProbe
    .systemLibrary(
      name: "CLibbpf", pkgConfig: "libbpf", providers: [.apt(["libbpf-dev", "libelf-dev", "zlib1g-dev"])]),
    .target(name: "CProbe", path: "bpf", sources: ["CProbe.c"], publicHeadersPath: "include"),
    .target(name: "KernelProbe", dependencies: ["CProbe", "CLibbpf", "Events"], swiftSettings: small),

    // MARK: Host
    .systemLibrary(name: "CLinux"),
    .target(
      name: "Host", dependencies: ["CLinux", "Events"],
      swiftSettings: small),

    // MARK: KernelLog
    .target(name: "KernelLog", dependencies: ["CLinux", "Events"], swiftSettings: settings),

    // MARK: Policy
    .target(name: "Policy", dependencies: ["Events"], swiftSettings: small),

    // MARK: Configuration
    .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
    .target(name: "Configuration", dependencies: ["CYAML", "Events", "Policy"], swiftSettings: small),

    // MARK: Witness
    .target(name: "Witness", dependencies: ["Host", "Events"], swiftSettings: small),

    // MARK: Sinks
    .target(name: "Sinks", dependencies: ["CLinux", "Events"], swiftSettings: small),

    // MARK: History
    .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    .target(name: "History", dependencies: ["CSQLite", "Events"], swiftSettings: small),

    // MARK: Metrics
    .target(name: "Metrics", dependencies: ["CLinux", "Events"], swiftSettings: small),

    // MARK: Report
    .target(name: "Report", dependencies: ["Events"], swiftSettings: small),

    // MARK: oomwitness
    .executableTarget(
      name: "oomwitness",
      dependencies: [
        "Events", "KernelProbe", "Host", "KernelLog", "Policy", "Configuration", "Witness", "Sinks", "History",
        "Metrics",
        "Report",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: small),

    // MARK: Tests
    .testTarget(name: "EventsTests", dependencies: ["Events", "TestSupport"], swiftSettings: settings),
    .testTarget(name: "HostTests", dependencies: ["Host", "Events", "CLinux", "TestSupport"], swiftSettings: settings),
    .testTarget(
      name: "KernelLogTests", dependencies: ["KernelLog", "Events"], exclude: ["Fixtures", "Corpus"],
      swiftSettings: settings),
    .testTarget(
      name: "KernelProbeTests", dependencies: ["KernelProbe", "CProbe", "Events", "TestSupport"],
      swiftSettings: settings),
    .testTarget(
      name: "WitnessTests", dependencies: ["Witness", "KernelProbe", "Host", "Events"], exclude: ["Fixtures"],
      swiftSettings: settings),
    .testTarget(name: "PolicyTests", dependencies: ["Policy", "Events", "TestSupport"], swiftSettings: settings),
    .testTarget(
      name: "ConfigurationTests", dependencies: ["Configuration", "Policy", "Events", "TestSupport"],
      swiftSettings: settings),
    .testTarget(name: "ReportTests", dependencies: ["Report", "Events", "TestSupport"], swiftSettings: settings),
    .testTarget(
      name: "SinksTests", dependencies: ["Sinks", "Events", "TestSupport", "SpoolWriter"], swiftSettings: settings),
    .executableTarget(
      name: "SpoolWriter", dependencies: ["Sinks"], path: "Tests/SpoolWriter", swiftSettings: settings),
    .testTarget(name: "MetricsTests", dependencies: ["Metrics", "Events", "TestSupport"], swiftSettings: settings),
    .testTarget(name: "HistoryTests", dependencies: ["History", "Events", "TestSupport"], swiftSettings: settings),
    .target(
      name: "Fuzz",
      dependencies: [
        "CLinux", "Events", "KernelLog", "Policy", "Configuration", "Sinks", "History", "Metrics", "Report",
      ],
      path: "Tests/Fuzz", exclude: ["corpus", "dictionaries"], swiftSettings: settings),
    .testTarget(name: "FuzzTests", dependencies: ["Fuzz", "TestSupport"], swiftSettings: settings),
    .target(name: "TestSupport", dependencies: ["Events"], path: "Tests/TestSupport", swiftSettings: settings),
    .testTarget(name: "HouseTests", dependencies: ["TestSupport"], swiftSettings: settings),
    .testTarget(
      name: "CommandTests", dependencies: ["TestSupport"], exclude: ["Fixtures"], swiftSettings: settings),
    .testTarget(name: "EngineTests", dependencies: ["TestSupport"], swiftSettings: settings),
  ]
)
