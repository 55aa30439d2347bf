// SPDX-License-Identifier: Apache-2.0
// compare and report on two runs of the sample at different bits.
#include "tests/unit/cli/cli_process.h"

#include <cmath>

namespace fs = std::filesystem;
using namespace qs::test;
using nlohmann::json;

class CliCompare : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() {
        QVERIFY2(!cliProgram().isEmpty(), "QS_CLI must name the program (ctest sets it)");
        m_dir = scratchDir("cli-compare");
        for (const char* bits : {"4", "2"})
            QS_EXIT(cli({"quantize", text(sampleModel()), "--method", "rtn", "--bits", bits, "--group", "32",
                         "--output", text(m_dir / bits)}),
                    0);
    }
    void compare() {
        const QStringList command = {
            "compare", text(m_dir / "4"), text(m_dir / "2"), "--window", "64", "--samples", "12", "--json"};
        const Outcome o = cli(command);
        QS_EXIT(o, 0);
        const json runs = o.json()["runs"];
        QCOMPARE(runs.size(), size_t(3));
        const json &a = runs[0], &b = runs[1], &c = runs[2];
        QCOMPARE(b["letter"], json("B"));
        // C is held against B: two bits are worse, by the difference of the means that stand beside it.
        const json& against = c["against"];
        QCOMPARE(against["run"], json("B"));
        QVERIFY(c["ppl"].get<double>() > b["ppl"].get<double>());
        const double difference = against["nll"]["difference"].get<double>();
        QVERIFY(std::fabs(difference - (c["nll"].get<double>() - b["nll"].get<double>())) <= 1e-6);
        QVERIFY(against["kl"]["low"].get<double>() > 0);
        QCOMPARE(against["kl"]["probability_better"].get<double>(), 0.0);
        QVERIFY(against["verdict"].get<std::string>().starts_with("B is better"));
        QCOMPARE(against["nll"]["windows"].get<int>(), 12);
        // The same tokens as evaluate sees, and the same numbers.
        const Outcome e = cli({"evaluate", text(m_dir / "2"), "--window", "64", "--samples", "12", "--json"});
        QS_EXIT(e, 0);
        QCOMPARE(c["kl"], e.json()["kl"]);
        QCOMPARE(a["nll"], e.json()["reference_nll"]);
        const json& worst = c["worst"];
        QCOMPARE(worst.size(), size_t(10));
        for (size_t i = 1; i < worst.size(); ++i)
            QVERIFY(worst[i - 1]["kl"].get<double>() >= worst[i]["kl"].get<double>());
        QCOMPARE(cli(command).out, o.out); // seeded
        const Outcome people =
            cli({"compare", text(m_dir / "4"), text(m_dir / "2"), "--samples", "4", "--window", "64"});
        QS_EXIT(people, 0);
        QVERIFY2(people.out.contains("B is better") && people.out.contains("Tokens that C changed most"),
                 people.out.constData());
    }
    void refusals() {
        QS_EXIT(cli({"compare"}), 2);
        QS_EXIT(cli({"compare", "a", "b", "c", "d"}), 2);
        const Outcome noOriginal =
            cli({"compare", text(sampleModel()), "--samples", "2", "--window", "32", "--json"});
        QS_EXIT(noOriginal, 1);
        QCOMPARE(noOriginal.json()["error"]["where"], json("--reference"));
    }
    void report() {
        const fs::path file = m_dir / "r.html";
        const Outcome o =
            cli({"report", text(sampleModel()), "--run", text(m_dir / "4"), "--run", text(m_dir / "2"),
                 "--samples", "4", "--window", "64", "--output", text(file), "--json"});
        QS_EXIT(o, 0);
        QFile html(text(file));
        QVERIFY(html.open(QIODevice::ReadOnly));
        const QByteArray page = html.readAll();
        QVERIFY(page.startsWith("<!DOCTYPE html>") && page.contains("B is better"));
        QVERIFY(!page.contains("<script"));
    }

private:
    fs::path m_dir;
};

QS_TEST(CliCompare)
#include "tst_cli_compare.moc"
