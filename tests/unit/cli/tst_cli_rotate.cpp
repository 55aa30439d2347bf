// SPDX-License-Identifier: Apache-2.0
// A rotated copy of the sample, then quantized and exported as any other model.
#include "tests/unit/cli/cli_process.h"

using namespace qs;
using namespace qs::test;
using nlohmann::json;
namespace fs = std::filesystem;

class CliRotate : public QObject {
    Q_OBJECT
    fs::path m_folder;

private slots:
    void initTestCase() { m_folder = scratchDir("cli-rotate"); }

    void throughQuantizationToGguf() {
        const QString copy = text(m_folder / "rotated"), run = text(m_folder / "run"),
                      exported = text(m_folder / "gguf");
        const Outcome made =
            cli({"rotate", text(sampleModel()), "--output", copy, "--heads", "--seed", "4", "--json"});
        QS_EXIT(made, 0);
        const json result = made.json();
        QVERIFY(result.at("rotation") == "hadamard" && result.at("seed") == 4 && result.at("heads") == true);
        QVERIFY(result.at("logit_difference").get<double>() <= 5e-3); // the sample is stored as float16
        QCOMPARE(result.at("untied_head_bytes").get<int>(), 1024 * 256 * 2);
        QVERIFY(fs::exists(m_folder / "rotated" / "tokenizer.json"));

        QS_EXIT(
            cli({"quantize", copy, "--codec", "ggml", "--type", "q8_0", "--method", "rtn", "--output", run}),
            0);
        const Outcome scored = cli({"evaluate", run, "--window", "64", "--json"});
        QS_EXIT(scored, 0);
        QVERIFY2(scored.json().at("kl").get<double>() <= 1e-3, scored.out.constData());
        QS_EXIT(cli({"export", run, "--format", "gguf", "--output", exported}), 0);
        QS_EXIT(cli({"verify", exported}), 0);
        const Outcome again = cli({"rotate", exported, "--output", text(m_folder / "again")});
        QS_EXIT(again, 1);
        QVERIFY2(again.err.contains("Hugging Face"), again.err.constData());
        QVERIFY(!fs::exists(m_folder / "again"));
    }

    void theSameTextScoresTheSame() {
        const auto ppl = [](const QString& model) {
            const Outcome o = cli({"evaluate", model, "--window", "128", "--json"});
            if (o.code != 0) qFatal("%s", o.err.constData());
            return o.json().at("ppl").get<double>();
        };
        const QString copy = text(m_folder / "exact");
        QS_EXIT(cli({"rotate", text(sampleModel()), "--output", copy, "--rotation", "orthogonal", "--dtype",
                     "f32"}),
                0);
        const double before = ppl(text(sampleModel())), after = ppl(copy);
        QVERIFY2(std::fabs(after / before - 1) <= 1e-5, qPrintable(QString::number(after / before - 1)));
    }

    void usage() {
        const QString model = text(sampleModel()), out = text(m_folder / "none");
        const Outcome unknown = cli({"rotate", model, "--output", out, "--rotation", "givens"});
        QS_EXIT(unknown, 2);
        QVERIFY2(unknown.err.contains("--rotation"), unknown.err.constData());
        const Outcome missing = cli({"rotate", model, "--output", out, "--rotation", "klt"});
        QS_EXIT(missing, 2);
        QVERIFY2(missing.err.contains("--calibration"), missing.err.constData());
        QS_EXIT(cli({"rotate", model, "--output", out, "--calibration", "c.h5"}), 2);
        QS_EXIT(cli({"rotate", model}), 2);
        const Outcome refused =
            cli({"rotate", text(sourceDir() / "tests/golden/arch/gemma2"), "--output", out});
        QS_EXIT(refused, 1);
        QVERIFY2(refused.err.contains("gemma2") && refused.err.contains("post_attention_layernorm"),
                 refused.err.constData());
        QVERIFY(!fs::exists(m_folder / "none"));
    }
};

QS_TEST(CliRotate)
#include "tst_cli_rotate.moc"
