// SPDX-License-Identifier: Apache-2.0
// What scripts rely on: exit codes, messages that name the flag, JSON alone on stdout, lists equal to the
// registries.
#include "tests/unit/cli/cli_process.h"

#include "core/checkpoint/reader.h"
#include "core/codec/codec.h"
#include "core/export/exporter.h"
#include "core/model/architecture.h"
#include "core/quant/method.h"
#include "core/quant/transform/transform.h"
#include "core/recipe/kv_scheme.h"

using namespace qs;
using namespace qs::test;
using nlohmann::json;

namespace {

const QStringList kCommands = {"inspect",    "calibrate", "plan",     "quantize", "evaluate",    "compare",
                               "report",     "export",    "verify",   "generate", "logits",      "tokenize",
                               "detokenize", "list",      "demo",     "imatrix",  "sensitivity", "allocate",
                               "rotate",     "recipe",    "selftest", "bench",    "laws"};

template<class Entries>
std::vector<std::string> idsOf(const Entries& entries) {
    std::vector<std::string> ids;
    for (const auto* e : entries)
        ids.push_back(e->id);
    return ids;
}

std::string flagOf(const std::string& key) {
    std::string name = "--" + key;
    std::replace(name.begin(), name.end(), '_', '-');
    return name;
}

std::vector<std::string> kvIds() {
    std::vector<std::string> ids = KvScheme::presets();
    for (const KvOption& o : kvOptions())
        ids.emplace_back(o.id);
    return ids;
}

} // namespace

class CliUsage : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() { QVERIFY2(!cliProgram().isEmpty(), "QS_CLI must name the program (ctest sets it)"); }

    void help() {
        const Outcome top = cli({"--help"});
        QS_EXIT(top, 0);
        for (const QString& command : kCommands) {
            QVERIFY2(top.out.contains("\n  " + command.toUtf8() + " "), qPrintable(command));
            const Outcome o = cli({command, "--help"});
            QS_EXIT(o, 0);
            QVERIFY2(o.out.contains("Examples:\n  quantoscope-cli " + command.toUtf8()), qPrintable(command));
            QVERIFY2(o.out.contains("--json"), qPrintable(command));
            QVERIFY(o.err.isEmpty());
        }
    }

    void version() {
        const Outcome o = cli({"--version"});
        QS_EXIT(o, 0);
        QCOMPARE(o.out, QByteArray("quantoscope-cli " QS_VERSION "\n"));
    }

    void everyParameterHasAFlag() {
        const QByteArray help = cli({"quantize", "--help"}).out;
        const auto check = [&](const auto& entries) {
            for (const auto* e : entries)
                for (const ParamSpec& p : e->params)
                    QVERIFY2(help.contains(flagOf(p.key).c_str()), p.key.c_str());
        };
        check(codecs());
        check(methods());
    }

    void usageErrors_data() {
        QTest::addColumn<QStringList>("arguments");
        QTest::addColumn<QString>("named");
        QTest::addColumn<QString>("rule");
        const QStringList quantize = {"quantize", "MODEL", "--output", "RUN"};
        QTest::newRow("nothing") << QStringList{} << "subcommand"
                                 << "";
        QTest::newRow("unknown command") << QStringList{"quantise"} << "quantise"
                                         << "";
        QTest::newRow("unknown flag") << quantize + QStringList{"--bitz", "4"} << "--bitz"
                                      << "";
        QTest::newRow("missing model") << QStringList{"inspect"} << "model"
                                       << "required";
        QTest::newRow("missing output") << QStringList{"quantize", "MODEL"} << "--output"
                                        << "required";
        QTest::newRow("bits too many") << quantize + QStringList{"--bits", "9"} << "--bits"
                                       << "between 2 and 8";
        QTest::newRow("bits no number") << quantize + QStringList{"--bits", "four"} << "--bits"
                                        << "four";
        QTest::newRow("bits nothing") << quantize + QStringList{"--bits"} << "--bits"
                                      << "";
        QTest::newRow("damping negative") << quantize + QStringList{"--damping", "-1"} << "--damping"
                                          << "-1";
        QTest::newRow("grid unknown") << quantize + QStringList{"--grid", "hexagonal"} << "--grid"
                                      << "hexagonal";
        QTest::newRow("parameter of another method")
            << quantize + QStringList{"--method", "rtn", "--damping", "0.1"} << "--damping"
            << "method gptq";
        QTest::newRow("method unknown") << quantize + QStringList{"--method", "magic"} << "--method"
                                        << "magic";
        QTest::newRow("codec unknown") << quantize + QStringList{"--codec", "magic"} << "--codec"
                                       << "magic";
        QTest::newRow("recipe and bits")
            << quantize + QStringList{"--recipe", "r.json", "--bits", "4"} << "--bits"
            << "--recipe";
        QTest::newRow("recipe and method")
            << quantize + QStringList{"--recipe", "r.json", "--method", "rtn"} << "--method"
            << "--recipe";
        QTest::newRow("transform unknown") << quantize + QStringList{"--transform", "magic"} << "--transform"
                                           << "no transform 'magic'";
        QTest::newRow("transform's parameter unknown")
            << quantize + QStringList{"--transform", "awq:alpha=1"} << "--transform"
            << "alpha";
        QTest::newRow("transform's parameter out of range")
            << quantize + QStringList{"--transform", "smoothquant:alpha=2"} << "--transform"
            << "2";
        QTest::newRow("transform twice")
            << quantize + QStringList{"--transform", "awq", "--transform", "awq"} << "--transform"
            << "twice";
        QTest::newRow("recipe and transform")
            << quantize + QStringList{"--recipe", "r.json", "--transform", "awq"} << "--transform"
            << "--recipe";
        QTest::newRow("text and tokens")
            << quantize + QStringList{"--text", "t", "--tokens", "t.npy"} << "--tokens"
            << "--text";
        QTest::newRow("text and calibration")
            << quantize + QStringList{"--text", "t", "--calibration", "c.h5"} << "--calibration"
            << "--text";
        QTest::newRow("cache by age") << quantize + QStringList{"--kv", "int8@9,int4@3,int2"} << "--kv"
                                      << "ages must ascend";
        QTest::newRow("cache flags alone") << quantize + QStringList{"--kv-static"} << "--kv-static"
                                           << "--kv";
        QTest::newRow("cache two ways")
            << quantize + QStringList{"--kv", "int4", "--kv-static", "--kv-per-channel"} << "--kv"
            << "not both";
        QTest::newRow("window of one") << quantize + QStringList{"--window", "1"} << "--window"
                                       << "";
        QTest::newRow("device") << quantize + QStringList{"--device", "abacus"} << "--device"
                                << "abacus";
        QTest::newRow("list nothing") << QStringList{"list"} << "kind"
                                      << "required";
        QTest::newRow("list unknown") << QStringList{"list", "animals"} << "animals"
                                      << "";
        QTest::newRow("format unknown")
            << QStringList{"export", "RUN", "--output", "D", "--format", "papyrus"} << "--format"
            << "papyrus";
        QTest::newRow("rule unknown") << QStringList{"inspect", "M", "--rule", "thumb"} << "--rule"
                                      << "thumb";
    }
    void usageErrors() {
        QFETCH(QStringList, arguments);
        QFETCH(QString, named);
        QFETCH(QString, rule);
        const Outcome o = cli(arguments);
        QS_EXIT(o, 2);
        QVERIFY2(o.err.contains(named.toUtf8()) && o.err.contains(rule.toUtf8()), o.err.constData());
        QVERIFY2(o.err.contains("--help"), o.err.constData());
        QVERIFY2(o.out.isEmpty(), o.out.constData());

        const Outcome asJson = cli(arguments + QStringList{"--json"});
        QS_EXIT(asJson, 2);
        const json error = asJson.json();
        QVERIFY2(error.is_object() && error.contains("error"), asJson.out.constData());
        QCOMPARE(error["error"].value("code", ""), "usage");
    }

    void failures_data() {
        QTest::addColumn<QStringList>("arguments");
        QTest::newRow("inspect") << QStringList{"inspect", "/nowhere/model"};
        QTest::newRow("plan") << QStringList{"plan", "/nowhere/model"};
        QTest::newRow("quantize") << QStringList{"quantize", "/nowhere/model", "--output", "/nowhere/run"};
        QTest::newRow("evaluate") << QStringList{"evaluate", "/nowhere/model"};
        QTest::newRow("export") << QStringList{"export", "/nowhere/model", "--format",
                                               "gptq",   "--output",       "/nowhere/x"};
        QTest::newRow("verify") << QStringList{"verify", "/nowhere/model"};
        QTest::newRow("generate") << QStringList{"generate", "/nowhere/model", "--prompt", "a"};
        QTest::newRow("logits") << QStringList{"logits", "/nowhere/model", "--tokens",
                                               "t.npy",  "--output",       "o.npy"};
    }
    /// A missing file is no usage error: exit code 1, and the message names the place.
    void failures() {
        QFETCH(QStringList, arguments);
        const Outcome o = cli(arguments);
        QS_EXIT(o, 1);
        QVERIFY2(o.err.startsWith("error: ") && o.err.contains("/nowhere/model"), o.err.constData());
        QVERIFY(o.out.isEmpty());
        const Outcome asJson = cli(arguments + QStringList{"--json"});
        QS_EXIT(asJson, 1);
        const json error = asJson.json().value("error", json());
        QVERIFY2(error.is_object() && error.contains("code") && error.contains("message") &&
                     error.contains("where"),
                 asJson.out.constData());
    }

    void listsAreTheRegistries_data() {
        QTest::addColumn<QString>("kind");
        for (const char* kind :
             {"methods", "transforms", "codecs", "architectures", "readers", "exporters", "kv"})
            QTest::newRow(kind) << kind;
    }
    void listsAreTheRegistries() {
        QFETCH(QString, kind);
        const std::map<QString, std::vector<std::string>> expected = {
            {"methods", idsOf(methods())},
            {"transforms", idsOf(transforms())},
            {"codecs", idsOf(codecs())},
            {"architectures", idsOf(architectures())},
            {"readers", idsOf(readers())},
            {"exporters", idsOf(exporters())},
            {"kv", kvIds()}};
        const Outcome o = cli({"list", kind, "--json"});
        QS_EXIT(o, 0);
        QVERIFY(o.err.isEmpty());
        const json list = o.json();
        QVERIFY(list.is_array());
        std::vector<std::string> ids;
        for (const json& entry : list) {
            ids.push_back(entry.value("id", ""));
            QVERIFY(!entry.value("label", "").empty());
            QVERIFY(!entry.value("summary", "").empty());
        }
        QVERIFY2(ids == expected.at(kind), o.out.constData());
        const Outcome plain = cli({"list", kind});
        QS_EXIT(plain, 0);
        for (const std::string& id : ids)
            QVERIFY(plain.out.contains(id.c_str()));
    }

    void methodDescriptors() {
        const json list = cli({"list", "methods", "--json"}).json();
        for (const json& m : list) {
            for (const char* key : {"id", "label", "citation", "needs", "params"})
                QVERIFY2(m.contains(key), key);
            const auto found = findMethod(m["id"].get<std::string>());
            QS_VERIFY_OK(found);
            QCOMPARE(m["params"].size(), (*found)->params.size());
            for (size_t i = 0; i < m["params"].size(); ++i)
                QVERIFY(m["params"][i] == describeParam((*found)->params[i]));
        }
    }
};

QS_TEST(CliUsage)
#include "tst_cli_usage.moc"
