// SPDX-License-Identifier: Apache-2.0
// An importance matrix in place of a calibration, and the lint of runtimes, through processes.
#include "tests/unit/cli/cli_process.h"

#include <filesystem>

using namespace qs;
using namespace qs::test;
using nlohmann::json;
namespace fs = std::filesystem;

class CliImatrix : public QObject {
    Q_OBJECT
    fs::path m_folder;
    QString m_imatrix;

    QString model() const { return text(sampleModel()); }
    QStringList quantize(const char* method, const char* output) const {
        return {"quantize", model(), "--codec",   "ggml",    "--type",   "q4_k",
                "--method", method,  "--imatrix", m_imatrix, "--output", text(m_folder / output),
                "--json"};
    }

private slots:
    void initTestCase() {
        m_folder = scratchDir("cli-imatrix");
        const QString calibration = text(m_folder / "c.h5");
        m_imatrix = text(m_folder / "imatrix.gguf");
        QS_EXIT(cli({"calibrate", model(), "--window", "64", "--samples", "4", "--output", calibration}), 0);
        QS_EXIT(cli({"imatrix", model(), "--calibration", calibration, "--output", m_imatrix}), 0);
    }

    void weighsErrors() {
        const Outcome o = cli(quantize("imatrix", "run"));
        QS_EXIT(o, 0);
        const json result = o.json();
        QVERIFY(result.at("complete").get<bool>());
        QVERIFY(result.at("calibration").is_null());
        QCOMPARE(QString::fromStdString(result.at("importance").get<std::string>()), m_imatrix);
        QVERIFY(!fs::exists(m_folder / "run" / "calibration.h5")); // nothing was measured
        // The export says where the weights of errors came from.
        const QString exported = text(m_folder / "made");
        QS_EXIT(cli({"export", text(m_folder / "run"), "--format", "gguf", "--output", exported}), 0);
        QFile sidecar(exported + "/quantoscope.json");
        QVERIFY(sidecar.open(QIODevice::ReadOnly));
        const json manifest = json::parse(sidecar.readAll().toStdString());
        QCOMPARE(manifest.at("importance").at("file").get<std::string>(), std::string("imatrix.gguf"));
        QCOMPARE(manifest.at("importance").at("fingerprint"), result.at("importance_fingerprint"));
    }

    void isRefusedWhereMoreIsNeeded() {
        const Outcome gptq = cli(quantize("gptq", "gptq"));
        QS_EXIT(gptq, 1);
        QVERIFY2(gptq.err.contains("diagonal"), gptq.err.constData());
        const Outcome both = cli(quantize("imatrix", "both") + QStringList{"--window", "64"});
        QS_EXIT(both, 2);
        QVERIFY2(both.err.contains("--imatrix"), both.err.constData());
    }

    void anotherFileIsRefused() {
        QS_EXIT(cli(quantize("imatrix", "resumed")), 0);
        QStringList again = quantize("imatrix", "resumed");
        QS_EXIT(cli(again), 0);
        again.removeAt(again.indexOf("--imatrix") + 1);
        again.removeAll("--imatrix");
        const Outcome calibrated = cli(again + QStringList{"--window", "64", "--samples", "4"});
        QS_EXIT(calibrated, 1);
        QVERIFY2(calibrated.err.contains("another"), calibrated.err.constData());
    }

    void lintOfRuntimes() {
        const QStringList plan = {"plan", model(),   "--method", "rtn",    "--bits",
                                  "4",    "--group", "64",       "--lint", "vllm"};
        const Outcome shown = cli(plan);
        QS_EXIT(shown, 0);
        QVERIFY2(shown.out.contains("does not load") && shown.out.contains("38288") &&
                     shown.out.contains("Fix: Make symmetric"),
                 shown.out.constData());
        const json runtime = cli(plan + QStringList{"--json"}).json().at("runtime");
        QCOMPARE(runtime.at("id").get<std::string>(), std::string("vllm"));
        for (const json& format : runtime.at("formats"))
            if (format.at("format") == "gptq") QVERIFY(!format.at("loads").get<bool>());
        const json after = cli(plan + QStringList{"--grid", "symmetric", "--json"}).json().at("runtime");
        for (const json& format : after.at("formats"))
            if (format.at("format") == "gptq") QVERIFY(format.at("loads").get<bool>());
        QS_EXIT(cli({"plan", model(), "--lint", "nothing"}), 2);
    }
};

QS_TEST(CliImatrix)
#include "tst_cli_imatrix.moc"
