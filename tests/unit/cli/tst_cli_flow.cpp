// SPDX-License-Identifier: Apache-2.0
// The main job through processes, on the sample model.
#include "tests/unit/cli/cli_process.h"

#include "core/base/npy.h"
#include "core/base/temporary.h"
#include "core/run/run.h"

#include <QElapsedTimer>
#include <cmath>
#include <csignal>
#include <fstream>

using namespace qs;
using namespace qs::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

QString model() {
    return text(sampleModel());
}
const QStringList kTokens = {"--window", "64", "--samples", "6"};

/// numpy's own layout, written by hand: int32, version 1.0.
void writeTokensNpy(const fs::path& file, const std::vector<int32_t>& ids) {
    std::string header =
        "{'descr': '<i4', 'fortran_order': False, 'shape': (1, " + std::to_string(ids.size()) + "), }";
    header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 11, ' ');
    header += '\n';
    std::ofstream out(file, std::ios::binary);
    out << "\x93NUMPY" << '\x01' << '\x00' << char(header.size() & 255) << char(header.size() >> 8) << header;
    out.write(reinterpret_cast<const char*>(ids.data()), std::streamsize(ids.size() * sizeof(int32_t)));
}

/// Mean loss of the windows' tokens after the first, from logits [T, vocabulary].
double lossOf(const NpyData<float>& logits, const std::vector<int32_t>& ids) {
    const size_t vocabulary = logits.shape[1];
    double total = 0;
    for (size_t t = 0; t + 1 < ids.size(); ++t) {
        const float* row = logits.values.data() + t * vocabulary;
        double sum = 0;
        const double top = *std::max_element(row, row + vocabulary);
        for (size_t v = 0; v < vocabulary; ++v)
            sum += std::exp(row[v] - top);
        total += top + std::log(sum) - row[ids[t + 1]];
    }
    return total / double(ids.size() - 1);
}

bool near(const json& value, double expected, double tolerance) {
    return value.is_number() && std::abs(value.get<double>() - expected) <= tolerance;
}

/// Compares every code and parameter of two runs; "" when equal.
QString difference(const fs::path& a, const fs::path& b) {
    const auto first = Run::open(a), second = Run::open(b);
    if (!first || !second) return "a run does not open";
    if (!(*first)->complete() || !(*second)->complete()) return "a run is not complete";
    if ((*first)->modules() != (*second)->modules()) return "other modules";
    for (const std::string& module : (*first)->modules()) {
        const auto x = (*first)->tensor(module), y = (*second)->tensor(module);
        if (!x || !y) return QString::fromStdString(module + " is missing");
        const auto equal = [](const Matrix& m, const Matrix& n) {
            return m.rows() == n.rows() && m.cols() == n.cols() &&
                   std::equal(m.data(), m.data() + m.size(), n.data());
        };
        if (x->codes != y->codes) return QString::fromStdString(module + ": codes differ");
        if (!equal(x->scale, y->scale) || !equal(x->zero, y->zero))
            return QString::fromStdString(module + ": parameters differ");
    }
    return {};
}

/// False when the process has ended already.
bool sendSignal(QProcess& process, int signal) {
    return process.state() == QProcess::Running && process.processId() > 0 &&
           ::kill(pid_t(process.processId()), signal) == 0;
}

/// Flips a byte in the middle of the first weight file of a folder.
void damageWeights(const fs::path& folder) {
    for (const auto& entry : fs::directory_iterator(folder)) {
        if (entry.path().extension() != ".safetensors") continue;
        std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
        const auto middle = std::streamoff(fs::file_size(entry.path()) / 2);
        file.seekg(middle);
        const char byte = char(file.get());
        file.seekp(middle);
        file.put(char(byte ^ 0x40));
        return;
    }
}

} // namespace

class CliFlow : public QObject {
    Q_OBJECT

    fs::path dir_;
    /// A finished run at 4 bits, made once per method.
    fs::path run(const char* method) {
        const fs::path folder = dir_ / method;
        if (!fs::exists(folder / "run.json")) {
            const Outcome o = cli(QStringList{"quantize", model(), "--method", method, "--bits", "3",
                                              "--group", "32", "--output", text(folder)} +
                                  (QByteArray(method) == "gptq" ? kTokens : QStringList{}));
            if (o.code != 0) qWarning("%s", o.err.constData());
        }
        return folder;
    }
    json evaluated(const QStringList& what) {
        const Outcome o =
            cli(QStringList{"evaluate"} + what + QStringList{"--window", "64", "--samples", "24", "--json"});
        if (o.code != 0) qWarning("%s", o.err.constData());
        return o.json();
    }

private slots:
    void initTestCase() {
        QVERIFY2(!cliProgram().isEmpty(), "QS_CLI must name the program (ctest sets it)");
        QVERIFY2(fs::exists(sampleModel() / "config.json"), "the sample model is missing");
        dir_ = scratchDir("cli-flow");
    }

    /// The numbers are recomputed from the tensor itself.
    void inspect() {
        const Outcome o = cli({"inspect", model(), "--tensor", "layers.0.mlp.down_proj", "--json"});
        QS_EXIT(o, 0);
        QVERIFY2(o.err.isEmpty(), o.err.constData());
        const json result = o.json();
        QCOMPARE(result["architecture"].get<std::string>(), "llama");
        QCOMPARE(result["tensors"].size(), size_t(1));
        const json& tensor = result["tensors"][0];
        const auto opened = openModel(sampleModel());
        QS_VERIFY_OK(opened);
        const auto matrix = (*opened)->checkpoint().readMatrix(tensor["name"].get<std::string>());
        QS_VERIFY_OK(matrix);
        double sum = 0, absmax = 0;
        for (float v : matrix->span()) {
            sum += v;
            absmax = std::max(absmax, double(std::abs(v)));
        }
        QVERIFY(near(tensor["stats"]["absmax"], absmax, 0));
        QVERIFY(near(tensor["stats"]["mean"], sum / double(matrix->size()), 1e-9));
        QCOMPARE(tensor["input"]["channels"].get<size_t>(), matrix->cols());
        QCOMPARE(tensor["output"]["channels"].get<size_t>(), matrix->rows());
        QCOMPARE(tensor["outlier_rule"].get<std::string>(), "6 x median");
    }

    void inspectForPeople() {
        const Outcome header = cli({"inspect", model(), "--header-only"});
        QS_EXIT(header, 0);
        QVERIFY(header.out.contains("model.layers.0.mlp.down_proj.weight"));
        const Outcome outliers = cli({"inspect", model(), "--outliers"});
        QS_EXIT(outliers, 0);
        const Outcome none = cli({"inspect", model(), "--tensor", "*dwon*"});
        QS_EXIT(none, 1);
        QVERIFY2(none.err.contains("*dwon*"), none.err.constData());
    }

    /// Symmetric codes of b bits and one f16 scale per group of g: rows * cols * b / 8 + rows * cols / g * 2
    /// bytes.
    void planBytes() {
        const Outcome o = cli({"plan", model(), "--method", "rtn", "--bits", "4", "--group", "64", "--grid",
                               "symmetric", "--json"});
        QS_EXIT(o, 0);
        const json plan = o.json();
        QVERIFY(plan["valid"].get<bool>());
        QVERIFY(!plan["needs_calibration"].get<bool>());
        QVERIFY(!plan["entries"].empty());
        for (const json& e : plan["entries"]) {
            const uint64_t elements = e["rows"].get<uint64_t>() * e["cols"].get<uint64_t>();
            QCOMPARE(e["bytes_after"].get<uint64_t>(), elements / 2 + elements / 64 * 2);
        }
        QVERIFY(near(plan["bits_per_weight"], 4.25, 1e-12));
    }

    void planThatCannotBe() {
        const Outcome o = cli({"plan", model(), "--group", "100", "--json"});
        QS_EXIT(o, 1);
        const json plan = o.json();
        QVERIFY(!plan["valid"].get<bool>());
        QVERIFY(o.out.contains("100"));
        const fs::path folder = dir_ / "impossible";
        const Outcome run = cli({"quantize", model(), "--group", "100", "--output", text(folder)});
        QS_EXIT(run, 1);
        QVERIFY2(run.err.contains("100"), run.err.constData());
        QVERIFY(!fs::exists(folder));
    }

    void recipeRoundTrip() {
        const fs::path file = dir_ / "recipe.json";
        const QStringList flags = {"--method", "rtn", "--bits", "5", "--group", "-1"};
        const Outcome first = cli(QStringList{"plan", model(), "--output", text(file), "--json"} + flags);
        QS_EXIT(first, 0);
        const Outcome second = cli({"plan", model(), "--recipe", text(file), "--json"});
        QS_EXIT(second, 0);
        QCOMPARE(second.json()["fingerprint"].get<std::string>(),
                 first.json()["fingerprint"].get<std::string>());
    }

    void calibrateAndInspect() {
        const fs::path file = dir_ / "c.h5";
        const Outcome o = cli(QStringList{"calibrate", model(), "--output", text(file), "--json"} + kTokens);
        QS_EXIT(o, 0);
        const json c = o.json();
        QCOMPARE(c["windows"].get<int>(), 6);
        QCOMPARE(c["window"].get<int>(), 64);
        const Outcome seen =
            cli({"inspect", model(), "--header-only", "--calibration", text(file), "--json"});
        QS_EXIT(seen, 0);
        QCOMPARE(seen.json()["activations"].size(), c["sites"].get<size_t>());
        const json report = seen.json(); // outlives the loop over a part of it
        for (const json& site : report["activations"])
            QCOMPARE(site["tokens"].get<int>(), 6 * 64);
        const Outcome used = cli({"quantize", model(), "--method", "gptq", "--bits", "3", "--group", "32",
                                  "--calibration", text(file), "--output", text(dir_ / "given")});
        QS_EXIT(used, 0);
        QCOMPARE(difference(dir_ / "given", run("gptq")), QString());
    }

    /// Loss computed here from `logits` equals `evaluate`, token for token the same protocol.
    void logitsAndEvaluate() {
        std::vector<int32_t> ids;
        for (int i = 0; i < 40; ++i)
            ids.push_back(3 + i * 7 % 200);
        writeTokensNpy(dir_ / "ids.npy", ids);
        const Outcome o =
            cli({"logits", model(), "--tokens", text(dir_ / "ids.npy"), "--output", text(dir_ / "l.npy")});
        QS_EXIT(o, 0);
        const auto logits = readNpyFloat(dir_ / "l.npy");
        QS_VERIFY_OK(logits);
        QCOMPARE(logits->shape.size(), size_t(2));
        QCOMPARE(logits->shape[0], ids.size());
        const double loss = lossOf(*logits, ids);
        const Outcome e = cli({"evaluate", model(), "--tokens", text(dir_ / "ids.npy"), "--json"});
        QS_EXIT(e, 0);
        QVERIFY2(near(e.json()["nll"], loss, 1e-5), e.out.constData());
        QVERIFY(near(e.json()["ppl"], std::exp(loss), 1e-4 * std::exp(loss)));
        QCOMPARE(e.json()["tokens"].get<size_t>(), ids.size() - 1);
        QVERIFY(e.json()["stderr"].get<double>() > 0);
    }

    void mainJob() {
        const json original = evaluated({model()});
        const json rtn = evaluated({text(run("rtn"))}), gptq = evaluated({text(run("gptq"))});
        QVERIFY(!original.contains("kl") || original["kl"].is_null());
        for (const json* e : {&rtn, &gptq}) {
            QVERIFY((*e)["kl"].get<double>() > 0);
            QVERIFY((*e)["top1"].get<double>() > 0 && (*e)["top1"].get<double>() < 1);
            QVERIFY((*e)["nll"].get<double>() > original["nll"].get<double>() - 0.02);
        }
        QVERIFY2(gptq["kl"].get<double>() < rtn["kl"].get<double>(), "GPTQ must stay closer than rounding");
        const json same = evaluated({model(), "--reference", model()});
        QVERIFY(near(same["kl"], 0, 1e-6));
        QVERIFY(near(same["top1"], 1, 0));
    }

    void exportAndVerify_data() {
        QTest::addColumn<QString>("format");
        QTest::newRow("gptq") << "gptq";
        QTest::newRow("dequantized") << "dequantized";
    }
    void exportAndVerify() {
        QFETCH(QString, format);
        const fs::path folder = dir_ / ("export-" + format.toStdString());
        const Outcome o =
            cli({"export", text(run("gptq")), "--format", format, "--output", text(folder), "--json"});
        QS_EXIT(o, 0);
        QVERIFY(o.json()["verified"].get<bool>());
        QS_EXIT(cli({"verify", text(folder)}), 0);
        const Outcome explicitRun = cli({"verify", text(folder), "--run", text(run("gptq")), "--json"});
        QS_EXIT(explicitRun, 0);
        QVERIFY(explicitRun.json()["verified"].get<bool>());
        // The exported folder is a model like any other, and computes what the run computes.
        const json exported = evaluated({text(folder)}), quantized = evaluated({text(run("gptq"))});
        QVERIFY(near(exported["nll"], quantized["nll"].get<double>(), 1e-3));
        QS_EXIT(cli({"export", text(run("gptq")), "--format", format, "--output", text(folder)}),
                1); // not empty
        damageWeights(folder);
        const Outcome damaged = cli({"verify", text(folder), "--json"});
        QS_EXIT(damaged, 1);
        QVERIFY2(!damaged.json().value("verified", false), damaged.out.constData());
        QVERIFY2(cli({"verify", text(folder), "--run", text(run("rtn"))}).code == 1,
                 "verified against another run");
    }

    void generate() {
        const QStringList command = {"generate", model(), "--prompt", "The", "--tokens", "12", "--json"};
        const Outcome first = cli(command), second = cli(command);
        QS_EXIT(first, 0);
        QCOMPARE(first.out, second.out);
        QVERIFY(first.json()["ids"].size() <= 12);
        QVERIFY2(QByteArray::fromStdString(first.json()["text"].get<std::string>()).contains("The"),
                 first.out.constData());
        const QStringList sampled = command + QStringList{"--temperature", "2", "--seed", "1"};
        QCOMPARE(cli(sampled).out, cli(sampled).out);
        QVERIFY(cli(sampled).out != cli(command + QStringList{"--temperature", "2", "--seed", "2"}).out);
    }

    void repeatingReusesAndAnotherRequestIsRefused() {
        const fs::path folder = run("gptq"), calibration = folder / "calibration.h5";
        const auto before = fs::last_write_time(calibration);
        const QStringList command =
            QStringList{"quantize", model(), "--method", "gptq", "--group", "32", "--output", text(folder)};
        const Outcome again = cli(command + kTokens + QStringList{"--bits", "3"});
        QS_EXIT(again, 0);
        QVERIFY2(again.err.contains("Reusing") && again.err.contains("Already done"), again.err.constData());
        const Outcome other = cli(command + kTokens + QStringList{"--bits", "4"});
        QS_EXIT(other, 1);
        QVERIFY2(other.err.contains("another plan"), other.err.constData());
        const Outcome tokens = cli(command + QStringList{"--bits", "3", "--window", "32", "--samples", "6"});
        QS_EXIT(tokens, 1);
        QVERIFY2(tokens.err.contains("another calibration"), tokens.err.constData());
        QVERIFY(fs::last_write_time(calibration) == before);
    }

    // A run that takes blocks from an earlier one, and evaluations that begin behind the blocks in common:
    // the same numbers, and both say what they took.
    void onlyWhatChangedIsDoneAgain() {
        const fs::path first = run("rtn"), changed = dir_ / "changed", cache = dir_ / "hidden",
                       rules = dir_ / "changed.json";
        {
            const json base = {
                {"codec", "int"}, {"codec_params", {{"bits", 3}, {"group", 32}}}, {"method", "rtn"}};
            json other = base;
            other["codec_params"]["bits"] = 2;
            // The first rule that matches decides.
            const json all = {
                {"version", 1},
                {"rules",
                 {{{"match", "*layers.3.*"}, {"scheme", other}}, {{"match", "*"}, {"scheme", base}}}}};
            std::ofstream(rules) << all.dump();
        }
        const Outcome quantized = cli({"quantize", model(), "--recipe", text(rules), "--reuse", text(first),
                                       "--output", text(changed)});
        QS_EXIT(quantized, 0);
        const auto evaluation = [&](const fs::path& what, bool cached) {
            QStringList arguments = {"evaluate", text(what), "--window", "64", "--samples", "8", "--json"};
            if (cached) arguments += {"--cache", text(cache)};
            return cli(arguments);
        };
        const Outcome before = evaluation(first, true);
        QS_EXIT(before, 0);
        QVERIFY2(!before.err.contains("were taken from"), before.err.constData());
        const Outcome again = evaluation(first, true), after = evaluation(changed, true),
                      plain = evaluation(changed, false);
        for (const Outcome* o : {&again, &after, &plain})
            QS_EXIT(*o, 0);
        QCOMPARE(again.json(), before.json());
        QCOMPARE(after.json(), plain.json());
        QVERIFY2(again.err.contains(("8 blocks of 8 were taken from " + text(cache)).toUtf8()),
                 again.err.constData());
        QVERIFY2(after.err.contains(("7 blocks of 8 were taken from " + text(cache)).toUtf8()),
                 after.err.constData());
        for (const auto& entry : fs::directory_iterator(cache))
            fs::resize_file(entry.path(), 100);
        const Outcome damaged = evaluation(first, true);
        QS_EXIT(damaged, 0);
        QCOMPARE(damaged.json(), before.json());
        QVERIFY2(damaged.err.contains("were damaged and removed from"), damaged.err.constData());
    }

    void foreignFolderIsLeftAlone() {
        const fs::path folder = dir_ / "foreign";
        fs::create_directories(folder);
        std::ofstream(folder / "letter.txt") << "dear";
        const Outcome o = cli({"quantize", model(), "--method", "rtn", "--output", text(folder)});
        QS_EXIT(o, 1);
        QCOMPARE(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 1);
    }

    /// kill -9 as soon as the first block is journalled; the same command then ends with the same codes.
    void killAndResume() {
        const fs::path folder = dir_ / "killed";
        const QStringList command = QStringList{"quantize", model(), "--method", "gptq",       "--bits", "3",
                                                "--group",  "32",    "--output", text(folder), "--json"} +
                                    kTokens;
        QProcess process;
        process.start(cliProgram(), command);
        QElapsedTimer timer;
        timer.start();
        while (!fs::exists(folder / "journal.json") && process.state() != QProcess::NotRunning &&
               timer.elapsed() < kTimeoutMs)
            process.waitForFinished(1);
        QVERIFY(sendSignal(process, SIGKILL));
        process.waitForFinished();
        const auto killed = Run::open(folder);
        QS_VERIFY_OK(killed);
        QVERIFY2(!(*killed)->complete() && (*killed)->unitsDone() >= 1, (*killed)->statusText().c_str());
        const Outcome early = cli({"evaluate", text(folder)});
        QS_EXIT(early, 1);
        QVERIFY2(early.err.contains("not finished"), early.err.constData());
        const Outcome resumed = cli(command);
        QS_EXIT(resumed, 0);
        QVERIFY2(resumed.err.contains("Resuming"), resumed.err.constData());
        QVERIFY(resumed.json()["complete"].get<bool>());
        QCOMPARE(difference(folder, run("gptq")), QString());
        for (const auto& entry : fs::recursive_directory_iterator(folder))
            QVERIFY2(targetOfTemporary(entry.path().filename().string()).empty(), entry.path().c_str());
    }

    void interrupt() {
        const fs::path folder = dir_ / "interrupted";
        QProcess process;
        process.start(cliProgram(), {"quantize", model(), "--output", text(folder), "--json"});
        QElapsedTimer timer;
        timer.start();
        while (!fs::exists(folder) && process.state() != QProcess::NotRunning && timer.elapsed() < kTimeoutMs)
            process.waitForFinished(1);
        QVERIFY(sendSignal(process, SIGINT));
        timer.restart();
        const Outcome o = finish(process);
        QVERIFY2(timer.elapsed() < 5000, "did not stop soon"); // 2 s, and room for a busy machine
        QS_EXIT(o, 1);
        QVERIFY(!fs::exists(folder / "journal.json"));
        QCOMPARE(o.err, QByteArray("Cancelled.\n"));
        QCOMPARE(o.json()["error"]["code"].get<std::string>(), "cancelled");
    }

    void demo() {
        const Outcome o = cli({"demo", "--output", text(dir_ / "demo")});
        QS_EXIT(o, 0);
        for (const char* part : {"Inspect", "Calibrate", "Perplexity", "Verified."})
            QVERIFY2(o.out.contains(part), o.out.constData());
        for (const char* made :
             {"run/run.json", "run/calibration.h5", "gptq/receipt.json", "dequantized/receipt.json"})
            QVERIFY2(fs::exists(dir_ / "demo" / made), made);
    }
};

QS_TEST(CliFlow)
#include "tst_cli_flow.moc"
