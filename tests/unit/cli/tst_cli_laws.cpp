// SPDX-License-Identifier: Apache-2.0
// laws on the sample: the degradation by hand, runs on the frontier, 4-bit inputs of a calibration.
#include "tests/unit/cli/cli_process.h"

#include <cmath>

namespace fs = std::filesystem;
using namespace qs::test;
using nlohmann::json;

class CliLaws : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() {
        QVERIFY2(!cliProgram().isEmpty(), "QS_CLI must name the program (ctest sets it)");
        m_dir = scratchDir("cli-laws");
    }

    void degradation() {
        const Outcome o =
            cli({"laws", text(sampleModel()), "--training-tokens", "1e11", "--bits", "8", "--json"});
        QS_EXIT(o, 0);
        const json d = o.json()["degradation"];
        const double n = d["parameters"].get<double>();
        QVERIFY(n > 0);
        QCOMPARE(d["estimates"].size(), size_t(4));
        const double bits[] = {2, 3, 4, 8};
        for (size_t i = 0; i < 4; ++i) {
            const json& e = d["estimates"][i];
            QCOMPARE(e["bits"].get<double>(), bits[i]);
            const double expected = std::exp(std::log(0.017) + 0.5251 * std::log(1e11) -
                                             0.2261 * std::log(n) - 5.4967 * std::log(bits[i]));
            QVERIFY(std::fabs(e["added_loss"].get<double>() / expected - 1) <= 1e-9);
            QVERIFY(!e["inside"].get<bool>()); // the sample is smaller than any Pythia
        }
        QCOMPARE(d["estimates"][3]["outside"].size(), size_t(2));
        const Outcome people = cli({"laws", text(sampleModel()), "--training-tokens", "1e11"});
        QS_EXIT(people, 0);
        QVERIFY2(people.out.contains("outside: ") && people.out.contains("arXiv:2411.17691"),
                 people.out.constData());
        const Outcome without = cli({"laws", text(sampleModel())});
        QS_EXIT(without, 0);
        QVERIFY(without.out.contains("give --training-tokens"));
    }

    void runs() {
        for (const char* name : {"4", "2", "4-128"}) {
            const QString bits = QString::fromLatin1(name).left(1);
            QS_EXIT(cli({"quantize", text(sampleModel()), "--method", "rtn", "--bits", bits, "--group",
                         QString::fromLatin1(name).endsWith(u"128") ? "128" : "32", "--output",
                         text(m_dir / name)}),
                    0);
        }
        const QStringList arguments = {"laws",      text(sampleModel()),
                                       "--run",     text(m_dir / "4"),
                                       "--run",     text(m_dir / "2"),
                                       "--run",     text(m_dir / "4-128"),
                                       "--window",  "64",
                                       "--samples", "8"};
        const Outcome o = cli(arguments + QStringList{"--json"});
        QS_EXIT(o, 0);
        const json t = o.json()["total_bits"];
        QCOMPARE(t["quality"], json("kl"));
        const json& points = t["points"];
        QCOMPARE(points.size(), size_t(4)); // with the original
        QCOMPARE(points[0]["kl"], json(0.0));
        QCOMPARE(points[1]["width"], json(4));
        QCOMPARE(points[2]["width"], json(2));
        for (size_t i = 0; i < 4; ++i) {
            bool beaten = false;
            for (size_t k = 0; k < 4; ++k)
                beaten = beaten || (k != i && points[k]["total_bits"] <= points[i]["total_bits"] &&
                                    points[k]["kl"] <= points[i]["kl"]);
            QCOMPARE(points[i]["frontier"].get<bool>(), !beaten);
        }
        // Two sizes of four bits make a line through both; two bits have one.
        QCOMPARE(t["lines"].size(), size_t(1));
        const double slope = (points[1]["kl"].get<double>() - points[3]["kl"].get<double>()) /
                             (std::log2(points[1]["total_bits"].get<double>()) -
                              std::log2(points[3]["total_bits"].get<double>()));
        QVERIFY(std::fabs(t["lines"][0]["slope"].get<double>() / slope - 1) <= 1e-6);
        QCOMPARE(t["verdict"], json("undecided"));
        // What evaluate measures.
        const Outcome e = cli({"evaluate", text(m_dir / "2"), "--window", "64", "--samples", "8", "--json"});
        QS_EXIT(e, 0);
        QCOMPARE(points[2]["kl"], e.json()["kl"]);
        const Outcome people = cli(arguments);
        QS_EXIT(people, 0);
        QVERIFY2(people.out.contains("The runs cannot tell") && people.out.contains("frontier"),
                 people.out.constData());
    }

    void inputs() {
        const fs::path file = m_dir / "c.h5";
        QS_EXIT(cli({"calibrate", text(sampleModel()), "--output", text(file), "--samples", "4", "--window",
                     "64"}),
                0);
        const Outcome o = cli({"laws", text(sampleModel()), "--calibration", text(file), "--json"});
        QS_EXIT(o, 0);
        const json w = o.json()["w4a4"];
        QVERIFY(w["causal"].get<bool>());
        QCOMPARE(w["limit"], json(0.05));
        QCOMPARE(w["sites"].size(), size_t(16)); // four blocks, four sites each
        int worst = 0;
        const std::vector<std::string> order = {"as_is", "smoothed", "rotated", "rotated_in_run",
                                                "not_in_four"};
        for (const json& s : w["sites"]) {
            const double lost = s["lost"].get<double>();
            QVERIFY(lost > 0 && lost < 1);
            QCOMPARE(s["verdict"] == "as_is", lost <= 0.05);
            const auto at = std::find(order.begin(), order.end(), s["verdict"].get<std::string>());
            QVERIFY(at != order.end());
            worst = std::max(worst, int(at - order.begin()));
            QCOMPARE(s["tokens"], json(64));
        }
        QCOMPARE(w["verdict"], json(order[size_t(worst)]));
        const Outcome people = cli({"laws", text(sampleModel()), "--calibration", text(file)});
        QS_EXIT(people, 0);
        QVERIFY2(people.out.contains("q, k, v") && people.out.contains("(after silu)"),
                 people.out.constData());
    }

    void refusals() {
        QS_EXIT(cli({"laws"}), 2);
        QS_EXIT(cli({"laws", text(sampleModel()), "--training-tokens", "-3"}), 2);
        const Outcome o = cli({"laws", text(sampleModel()), "--run", text(m_dir / "absent"), "--json"});
        QS_EXIT(o, 1);
        QVERIFY(QString::fromStdString(o.json()["error"]["message"]).contains(u"run.json"));
    }

private:
    fs::path m_dir;
};

QS_TEST(CliLaws)
#include "tst_cli_laws.moc"
