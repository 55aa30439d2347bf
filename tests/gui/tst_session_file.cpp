// SPDX-License-Identifier: GPL-3.0-or-later
// The session file: what is written is read again, paths are relative, damage is named.
#include "app/session/Autosave.h"
#include "app/session/SessionFile.h"
#include "tests/support/qs_test.h"

#include <QDir>
#include <fstream>

namespace fs = std::filesystem;
using namespace qs;
using namespace qs::app;

namespace {

void writeText(const fs::path& file, const std::string& text) {
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
}

SessionState example(const fs::path& home) {
    SessionState s;
    s.model = {QString::fromStdString((home / "models/tiny").string()), "abc"};
    s.calibration = {QString::fromStdString((home / "cache/c.h5").string()), "cal"};
    s.run = {QString::fromStdString((home / "cache/runs/r1").string()), "plan"};
    s.compared = {{'A', {}, {QString::fromStdString((home / "cache/e/a.h5").string()), "text"}},
                  {'C', s.run, {}}};
    s.against = 'C';
    s.recipe = Recipe::uniform(*Scheme::make("int", "rtn"), 5);
    s.kl = {{*Scheme::make("int", "gptq"),
             MeasuredKl::As::Run,
             {*TransformUse::make("smoothquant")},
             "",
             "text",
             {{"layers.0.q", 0.125}, {"layers.1.q", 1.0 / 3}}},
            {*Scheme::make("int", "gptq"), MeasuredKl::As::Method, {}, "cal", "text", {{"layers.0.k", 0}}},
            {*Scheme::make("int", "rtn"), MeasuredKl::As::Nearest, {}, "", "text", {{"layers.1.k", 1e-9}}}};
    s.selection = {"layers.0.q", "layers.1.q"};
    s.current = "layers.1.q";
    s.view = {{"workspace", "judge"}, {"filter", "down \"x\" ü"}};
    return s;
}

} // namespace

class SessionFileTest : public QObject {
    Q_OBJECT
private slots:
    void roundTrip() {
        const fs::path home = test::scratchDir("session-file");
        SessionState s = example(home);
        for (const char* part : {"models/tiny", "cache/runs/r1"})
            fs::create_directories(home / part);
        writeText(home / "cache/c.h5", "x");
        writeText(home / "cache/e/a.h5", "x");
        const std::string text = sessionText(s, home / "work");
        const auto json = nlohmann::json::parse(text);
        QCOMPARE(json["model"]["path"].get<std::string>(), std::string("../models/tiny"));
        QCOMPARE(json["run"]["path"].get<std::string>(), std::string("../cache/runs/r1"));
        writeText(home / "work/a.quantoscope", text);
        const auto back = readSession(home / "work/a.quantoscope");
        QS_VERIFY_OK(back);
        QVERIFY(back->model == s.model);
        QVERIFY(back->calibration == s.calibration);
        QVERIFY(back->run == s.run);
        QVERIFY(back->compared == s.compared);
        QCOMPARE(back->against, 'C');
        QVERIFY(back->recipe == s.recipe);
        QVERIFY(back->kl == s.kl);
        QCOMPARE(back->selection, s.selection);
        QCOMPARE(back->current, s.current);
        QVERIFY(back->view == s.view);
        // The whole folder moved: relative paths lead to the new place.
        const fs::path moved = test::scratchDir("session-moved") / "all";
        fs::rename(home, moved);
        const auto there = readSession(moved / "work/a.quantoscope");
        QS_VERIFY_OK(there);
        QCOMPARE(there->model.path.toStdString(), (moved / "models/tiny").generic_string());
        QCOMPARE(there->compared[0].evaluation.path.toStdString(), (moved / "cache/e/a.h5").generic_string());
        QCOMPARE(there->compared[1].run.path.toStdString(), (moved / "cache/runs/r1").generic_string());
        // Only the file moved: the absolute path still holds where the relative one does not.
        fs::create_directories(moved / "elsewhere/deep");
        s = example(moved);
        writeText(moved / "elsewhere/deep/b.quantoscope", sessionText(s, moved / "work"));
        const auto kept = readSession(moved / "elsewhere/deep/b.quantoscope");
        QS_VERIFY_OK(kept);
        QCOMPARE(kept->model.path, s.model.path);
    }

    void damageIsNamed_data() {
        QTest::addColumn<QString>("text");
        QTest::addColumn<QString>("names");
        const QString head = R"("format":"quantoscope session","version":1)";
        QTest::newRow("not json") << "nonsense"
                                  << "JSON";
        QTest::newRow("empty") << ""
                               << "JSON";
        QTest::newRow("array") << "[]"
                               << "format";
        QTest::newRow("other format") << R"({"format":"x","version":1})"
                                      << "format";
        QTest::newRow("version") << R"({"format":"quantoscope session","version":2})"
                                 << "version";
        QTest::newRow("version text") << R"({"format":"quantoscope session","version":"1"})"
                                      << "version";
        QTest::newRow("no model") << QStringLiteral("{%1}").arg(head) << "model";
        QTest::newRow("model text") << QStringLiteral("{%1,\"model\":\"a\"}").arg(head) << "model";
        QTest::newRow("path number") << QStringLiteral("{%1,\"model\":{\"path\":3}}").arg(head)
                                     << "model.path";
        const QString model = head + R"(,"model":{"path":"m","absolute":"/m","fingerprint":"f"})";
        QTest::newRow("selection") << QStringLiteral("{%1,\"selection\":[1]}").arg(model) << "selection";
        QTest::newRow("selection text")
            << QStringLiteral("{%1,\"selection\":\"a\"}").arg(model) << "selection";
        QTest::newRow("view") << QStringLiteral("{%1,\"view\":{\"metric\":[]}}").arg(model) << "view.metric";
        const auto compared = [&](const char* json) {
            return QStringLiteral("{%1,\"compared\":%2}").arg(model, QLatin1String(json));
        };
        QTest::newRow("compared") << compared("7") << "compared";
        QTest::newRow("compared numbers") << compared("[7]") << "compared";
        QTest::newRow("too many compared") << compared("[{},{},{},{},{}]") << "compared";
        QTest::newRow("letter") << compared(R"([{"letter":"E"}])") << "compared[0].letter";
        QTest::newRow("letter number") << compared(R"([{},{"letter":1}])") << "compared[1].letter";
        QTest::newRow("compared run") << compared(R"([{"letter":"B","run":[]}])") << "compared[0].run";
        QTest::newRow("evaluation path")
            << compared(R"([{"letter":"B","evaluation":{"path":1}}])") << "compared[0].evaluation.path";
        QTest::newRow("against") << QStringLiteral("{%1,\"against\":\"x\"}").arg(model) << "against";
        const auto kl = [&](const char* json) {
            return QStringLiteral("{%1,\"kl\":%2}").arg(model, QLatin1String(json));
        };
        QTest::newRow("kl") << kl("{}") << "kl";
        QTest::newRow("kl number") << kl("[7]") << "kl[0]";
        QTest::newRow("kl scheme") << kl(R"([{"scheme":{"codec":"nonsense"}}])") << "kl[0].scheme";
        const char* scheme = R"("scheme":{"codec":"int","method":"rtn"})";
        const auto record = [&](const char* json) {
            return kl(
                qPrintable(QStringLiteral("[{%1,%2}]").arg(QLatin1String(scheme), QLatin1String(json))));
        };
        QTest::newRow("kl as") << record(R"("as":"guess","kl":{})") << "kl[0].as";
        QTest::newRow("kl text") << record(R"("as":"run","text":1,"kl":{})") << "kl[0].text";
        QTest::newRow("kl values") << record(R"("as":"run")") << "kl[0].kl";
        QTest::newRow("kl value") << record(R"("as":"run","kl":{"q":null})") << "kl[0].kl.q";
        QTest::newRow("kl transforms")
            << record(R"("as":"run","kl":{},"transforms":[{"id":"x"}])") << "kl[0].transforms";
        QTest::newRow("recipe") << QStringLiteral("{%1,\"recipe\":{\"rules\":7}}").arg(model) << "recipe";
    }
    void damageIsNamed() {
        QFETCH(QString, text);
        QFETCH(QString, names);
        const fs::path file = test::scratchDir("session-damage") / "d.quantoscope";
        writeText(file, text.toStdString());
        const auto read = readSession(file);
        QVERIFY(!read);
        const QString told = QString::fromStdString(read.error().describe());
        QVERIFY2(told.contains(names) && told.contains("d.quantoscope"), qPrintable(told));
    }

    /// Held while its owner lives, offered when it is gone, not offered to itself.
    void autosavesAreOfferedAfterTheirOwner() {
        const QString folder = QString::fromStdString(test::scratchDir("autosave").string());
        auto first = std::make_unique<Autosave>(folder);
        QVERIFY(!first->file().isEmpty());
        writeText(first->file().toStdString(), "{}");
        const Autosave second(folder);
        QVERIFY(first->file() != second.file());
        QVERIFY(second.left().isEmpty());
        QVERIFY(first->left().isEmpty());
        const QString file = first->file();
        QVERIFY(QFile::copy(file, file + ".kept"));
        first.reset();
        QVERIFY(!QFile::exists(file)); // it ended in good order
        QVERIFY(QFile::rename(file + ".kept", file));
        QCOMPARE(second.left().size(), 1);
        QCOMPARE(second.left().front().file, QFileInfo(file).absoluteFilePath());
        Autosave third(folder);
        writeText(third.file().toStdString(), "{}");
        third.discard();
        QVERIFY(!QFile::exists(third.file()));
        Autosave::remove(file);
        QVERIFY(second.left().isEmpty());
    }
};

QS_TEST(SessionFileTest)
#include "tst_session_file.moc"
