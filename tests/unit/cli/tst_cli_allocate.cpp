// SPDX-License-Identifier: Apache-2.0
// From sensitivity to a mixed run within a budget, through processes.
#include "tests/unit/cli/cli_process.h"

#include <cmath>
#include <filesystem>
#include <map>

using namespace qs;
using namespace qs::test;
using nlohmann::json;
namespace fs = std::filesystem;

class CliAllocate : public QObject {
    Q_OBJECT
    fs::path m_folder;
    QString m_table;

    QString model() const { return text(sampleModel()); }
    QStringList sensitivity(const QStringList& more = {}) const {
        return QStringList{"sensitivity",  model(),   "--method", "rtn", "--group",   "64",
                           "--candidates", "2,3,4,8", "--window", "64",  "--samples", "4",
                           "--output",     m_table,   "--json"} +
               more;
    }
    QStringList allocate(const QStringList& more) const {
        return QStringList{"allocate", model(), "--table", m_table, "--json"} + more;
    }

private slots:
    void initTestCase() {
        m_folder = scratchDir("cli-allocate");
        m_table = text(m_folder / "table.json");
        const Outcome o = cli(sensitivity());
        QS_EXIT(o, 0);
        const json table = o.json();
        QCOMPARE(table.at("candidates").size(), size_t(4));
        for (const json& row : table.at("rows")) {
            QVERIFY(row.at("alpha").get<double>() > 0);
            double last = INFINITY;
            for (const json& cell : row.at("cells")) {
                QVERIFY(cell.at("weight_error").get<double>() < last); // more bits, less error
                last = cell.at("weight_error").get<double>();
            }
        }
    }

    /// Measured already: the same answer at once. For another model, text or seed the file is left alone.
    void goesOn() {
        QElapsedTimer clock;
        clock.start();
        const Outcome again = cli(sensitivity());
        QS_EXIT(again, 0);
        const Outcome other = cli(sensitivity({"--seed", "7"}));
        QS_EXIT(other, 1);
        QVERIFY2(other.err.contains("another seed"), other.err.constData());
        QS_EXIT(cli(allocate({"--target-bpw", "4"})), 0); // still there
    }

    /// The recipe is within the budget to the byte, and the run holds what it says.
    void withinTheBudget() {
        const QString recipe = text(m_folder / "recipe.json"), run = text(m_folder / "run");
        const Outcome o = cli(allocate({"--target-size", "2600kB", "--lock", "layers.0.*=8", "--lock",
                                        "layers.3.mlp.down_proj=keep", "--output", recipe}));
        QS_EXIT(o, 0);
        const json a = o.json();
        QVERIFY(a.at("checkpoint_bytes").get<uint64_t>() <= 2600000);
        QVERIFY(a.at("bytes") <= a.at("budget"));
        for (const json& e : a.at("entries")) {
            const std::string module = e.at("module");
            if (module.rfind("layers.0.", 0) == 0) QVERIFY(e.at("candidate") == 3);
            if (module == "layers.3.mlp.down_proj") QVERIFY(e.at("candidate").is_null());
        }
        const Outcome q = cli({"quantize", model(), "--recipe", recipe, "--output", run, "--json"});
        QS_EXIT(q, 0);
        std::map<std::string, uint64_t> bytes;
        const json result = q.json();
        for (const json& r : result.at("results"))
            bytes[r.at("module")] = r.at("bytes");
        for (const json& e : a.at("entries"))
            if (!e.at("candidate").is_null())
                QCOMPARE(bytes.at(e.at("module")), e.at("bytes").get<uint64_t>());
    }

    /// The file that is written for the recipe has the bytes that were planned, and not one above the target.
    void sizeOfTheFile() {
        const QString recipe = text(m_folder / "file.json"), run = text(m_folder / "file-run"),
                      made = text(m_folder / "file-made");
        const Outcome o = cli(allocate(
            {"--target-file", "2300kB", "--format", "gptq", "--no-keep", "--tie-fused", "-o", recipe}));
        QS_EXIT(o, 0);
        const json a = o.json();
        const uint64_t bytes = a.at("file_bytes").get<uint64_t>();
        QVERIFY2(bytes <= 2300000 && bytes > 2250000, std::to_string(bytes).c_str());
        QVERIFY(bytes != a.at("checkpoint_bytes").get<uint64_t>()); // payloads alone are another size
        const Outcome plan = cli({"plan", model(), "--recipe", recipe, "--sizes", "--json"});
        QS_EXIT(plan, 0);
        bool found = false;
        const json sizes = plan.json().at("sizes");
        for (const json& s : sizes)
            if (s.at("format") == "gptq") {
                found = true;
                QCOMPARE(s.at("bytes").get<uint64_t>(), bytes);
            }
        QVERIFY(found);
        QS_EXIT(cli({"quantize", model(), "--recipe", recipe, "--output", run}), 0);
        QS_EXIT(cli({"export", run, "--format", "gptq", "--output", made}), 0);
        QCOMPARE(uint64_t(fs::file_size(fs::path(made.toStdString()) / "model.safetensors")), bytes);
        // What no scheme reaches says how small it gets.
        const Outcome small = cli(allocate({"--target-file", "700kB", "--format", "gptq", "--tie-fused"}));
        QS_EXIT(small, 1);
        QVERIFY2(small.err.contains("bytes"), small.err.constData());
        QS_EXIT(cli(allocate({"--target-file", "2MB"})), 2); // of which format?
        // Candidates that the format does not hold are not taken: AWQ has 4 bits alone.
        const Outcome awq = cli(allocate({"--target-file", "2400kB", "--format", "awq", "--no-keep"}));
        QS_EXIT(awq, 0);
        const json list = awq.json();
        for (const json& e : list.at("entries"))
            QCOMPARE(e.at("candidate").get<int>(), 2);
        QS_EXIT(cli(allocate({"--target-bpw", "4", "--format", "gguf"})), 1);
    }

    void fusedLinearsAgree() {
        const Outcome o = cli(allocate({"--target-bpw", "3.5", "--tie-fused", "--no-keep"}));
        QS_EXIT(o, 0);
        std::map<std::string, json> of;
        const json a = o.json();
        for (const json& e : a.at("entries"))
            of[e.at("module")] = e.at("candidate");
        for (const char* block : {"layers.0.", "layers.1.", "layers.2.", "layers.3."}) {
            const std::string b = block;
            QCOMPARE(of.at(b + "self_attn.q_proj"), of.at(b + "self_attn.k_proj"));
            QCOMPARE(of.at(b + "self_attn.q_proj"), of.at(b + "self_attn.v_proj"));
            QCOMPARE(of.at(b + "mlp.gate_proj"), of.at(b + "mlp.up_proj"));
        }
    }

    void perplexityAsPredicted() {
        const Outcome o = cli(allocate({"--target-ppl", "2"}));
        QS_EXIT(o, 0);
        QVERIFY(o.json().at("predicted").get<double>() <= std::log1p(0.02));
    }

    /// Allocators that run the model: within the budget, as often as allowed, the same twice, and measured as
    /// the run of the recipe is.
    void measuredAllocations_data() {
        QTest::addColumn<QString>("allocator");
        for (const char* id : {"bisection", "evolutionary", "boosted_trees"})
            QTest::newRow(id) << QString(id);
    }
    void measuredAllocations() {
        QFETCH(QString, allocator);
        const QString recipe = text(m_folder / "measured.json"),
                      run = text(m_folder / ("run-" + allocator.toStdString()));
        const QStringList text = {"--window", "64", "--samples", "3"};
        const QStringList arguments =
            QStringList{"--target-bpw",  "3.5", "--no-keep", "--allocator", allocator,
                        "--evaluations", "12",  "--output",  recipe} +
            text;
        const Outcome o = cli(allocate(arguments));
        QS_EXIT(o, 0);
        const json a = o.json();
        QVERIFY(a.at("bytes") <= a.at("budget"));
        QVERIFY(a.at("evaluations").get<int>() >= 1 && a.at("evaluations").get<int>() <= 12);
        QCOMPARE(cli(allocate(arguments)).json().at("recipe").dump(), a.at("recipe").dump());
        QS_EXIT(cli({"quantize", model(), "--recipe", recipe, "--output", run, "--json"}), 0);
        const Outcome e = cli(QStringList{"evaluate", run, "--json"} + text);
        QS_EXIT(e, 0);
        const double kl = e.json().at("kl").get<double>(), measured = a.at("measured").get<double>();
        QVERIFY2(std::fabs(measured - kl) <= 1e-3 * kl, qPrintable(QString("%1, %2").arg(measured).arg(kl)));
    }

    /// Random recipes, predicted by hand from the table's numbers.
    void checksPredictions() {
        const QStringList check = {"--check", "4", "--window", "64", "--samples", "4"};
        const Outcome o = cli(allocate(check));
        QS_EXIT(o, 0);
        QFile file(m_table);
        QVERIFY(file.open(QIODevice::ReadOnly));
        const json table = json::parse(file.readAll().toStdString()), result = o.json();
        QCOMPARE(result.at("points").size(), size_t(4));
        double logRatio = 0;
        for (const json& p : result.at("points")) {
            double predicted = 0;
            for (size_t r = 0; r < table.at("rows").size(); ++r) {
                const json& row = table.at("rows")[r];
                predicted +=
                    row.at("alpha").get<double>() *
                    row.at("cells")[p.at("candidates")[r].get<size_t>()].at("weight_error").get<double>();
            }
            QVERIFY(std::fabs(p.at("predicted").get<double>() / predicted - 1) < 1e-9);
            QVERIFY(p.at("kl").get<double>() > 0 && p.at("kl_stderr").get<double>() > 0);
            logRatio += std::log(p.at("kl").get<double>() / predicted) / 4;
        }
        QVERIFY(std::fabs(result.at("ratio").get<double>() / std::exp(logRatio) - 1) < 1e-9);
        QVERIFY(std::fabs(result.at("rank_correlation").get<double>()) <= 1);
        const Outcome people = cli(QStringList{"allocate", model(), "--table", m_table} + check);
        QS_EXIT(people, 0);
        QVERIFY2(people.out.contains("Rank correlation") && people.out.contains("Measured / predicted"),
                 people.out.constData());
        const Outcome errors = cli(allocate(check + QStringList{"--score", "weight_error"}));
        QS_EXIT(errors, 0);
        QVERIFY(errors.json().at("ratio").is_null());
        // The recipes do not depend on the score.
        QVERIFY(errors.json().at("points")[3].at("kl") == result.at("points")[3].at("kl"));
    }

    void refusals_data() {
        QTest::addColumn<QStringList>("arguments");
        QTest::addColumn<int>("code");
        QTest::addColumn<QByteArray>("says");
        const auto row = [](const char* name, QStringList arguments, int code, const char* says) {
            QTest::newRow(name) << arguments << code << QByteArray(says);
        };
        row("too small", {"--target-bpw", "1"}, 1, "more than the budget");
        row("no target", {}, 2, "--target-bpw,--target-size,--target-file,--target-ppl");
        row("fused in two formats", {"--target-file", "2300kB", "--format", "gptq"}, 1, "--format gptq");
        row("two targets", {"--target-bpw", "4", "--target-ppl", "2"}, 2, "2 were given");
        row("no size", {"--target-size", "many"}, 1, "'many' is no size");
        row("lock nothing", {"--target-bpw", "4", "--lock", "head.*=4"}, 1, "matches no linear");
        row("lock to nothing", {"--target-bpw", "4", "--lock", "*=5"}, 1, "int8 g64");
        row("not measured", {"--target-bpw", "4", "--score", "kl_alone"}, 1, "is not measured: alone");
        row("no entropy", {"--target-bpw", "4", "--score", "entropy"}, 1, "is not measured: entropy");
        row("no evaluation", {"--target-bpw", "4", "--allocator", "bisection", "--evaluations", "0"}, 2,
            "--evaluations");
        row("check what is not measured", {"--check", "4", "--score", "kl_alone"}, 1,
            "is not measured: alone");
        row("check one", {"--check", "1"}, 2, "--check");
        row("no loss", {"--target-ppl", "2", "--score", "weight_error"}, 1, "is no loss");
    }
    void refusals() {
        QFETCH(QStringList, arguments);
        QFETCH(int, code);
        QFETCH(QByteArray, says);
        const Outcome o = cli(allocate(arguments));
        QS_EXIT(o, code);
        QVERIFY2(o.err.contains(says), o.err.constData());
    }

    void anotherModelIsRefused() {
        const fs::path copy = m_folder / "copy";
        fs::copy(sampleModel(), copy, fs::copy_options::recursive);
        QFile weights(text(copy / "model.safetensors"));
        QVERIFY(weights.open(QIODevice::ReadWrite));
        QVERIFY(weights.seek(weights.size() - 1));
        QVERIFY(weights.write("\x01", 1) == 1);
        weights.close();
        const Outcome o = cli({"allocate", text(copy), "--table", m_table, "--target-bpw", "4", "--json"});
        QS_EXIT(o, 1);
        QVERIFY2(o.err.contains("was measured on the model"), o.err.constData());
    }
};

QS_TEST(CliAllocate)
#include "tst_cli_allocate.moc"
