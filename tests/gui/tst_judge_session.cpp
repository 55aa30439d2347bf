// SPDX-License-Identifier: GPL-3.0-or-later
// A session file brings back what Judge compares: the runs under their letters, each with the measurement it
// had when the session was saved, whatever was compared or measured later.
#include "app/WindowSession.h"
#include "app/pages/DifferenceMapPane.h"
#include "app/pages/EvaluationModel.h"
#include "app/pages/JudgePage.h"
#include "tests/gui/WindowFixture.h"
#include "widgets/heatmaps/HeatMapWidget.h"

#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::test;
using app::EvaluationModel;

namespace {

constexpr int kLong = 180000;

QStringList textsOf(app::JudgePage& page) {
    QStringList out;
    for (int r = 0; r < page.model()->rowCount(); ++r)
        for (int c = 0; c < page.model()->columnCount(); ++c)
            out << page.model()->index(r, c).data().toString();
    return out;
}

} // namespace

class JudgeSession : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() {
        m_home = std::make_unique<WindowHome>("judge-session");
        m_file = m_home->folder + QStringLiteral("/judged.quantoscope");
        WindowFixture w(*m_home);
        w->openSample();
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->model(), kLong);
        for (const int bits : {4, 2}) {
            runAt(w, bits);
            if (QTest::currentTestFailed()) return;
        }
        app::JudgeSet* set = w->judgePage()->runs();
        QVERIFY(evaluate(w, 64, 6));
        set->setAgainst('B'); // the newest would be C
        QTRY_VERIFY_WITH_TIMEOUT(set->difference('C').difference, kLong);
        w->judgePage()->setSubject('C');
        m_texts = textsOf(*w->judgePage());
        m_kl = set->find('C')->evaluation->tokenKl;
        m_map = w->judgePage()->differenceMap()->map()->data()->values;
        QVERIFY(m_kl.size() == 6 * 63 && m_map.size() == 28);
        w.dialogs->answers = {m_file};
        w.trigger("saveSession");
        QTRY_COMPARE_WITH_TIMEOUT(w->sessionFiles()->file(), m_file, kLong);
        // Later work of the same window, which its cache remembers instead.
        QVERIFY(evaluate(w, 32, 3));
        set->removeRun('B');
        QTRY_COMPARE_WITH_TIMEOUT(w.session()->pool()->activeCount(), 0, kLong);
        w->close();
    }
    void cleanupTestCase() { m_home.reset(); }

    void sameRunsAndNumbers() {
        WindowFixture w(*m_home);
        w->openPath(m_file);
        QTRY_COMPARE_WITH_TIMEOUT(w->sessionFiles()->file(), m_file, kLong);
        QVERIFY2(!w->messageBar()->isVisible(), qPrintable(w->messageBar()->text()));
        const app::JudgeSet* set = w->judgePage()->runs();
        QCOMPARE(set->runs().size(), size_t(3));
        QCOMPARE(set->against(), 'B');
        QTRY_VERIFY_WITH_TIMEOUT(set->difference('C').difference, kLong);
        QTRY_COMPARE_WITH_TIMEOUT(w.session()->pool()->activeCount(), 0, kLong);
        QCOMPARE(set->find('C')->evaluation->tokenKl, m_kl);
        QCOMPARE(set->find('A')->evaluation->windowLength(), size_t(64));
        QCOMPARE(textsOf(*w->judgePage()), m_texts);
        w->judgePage()->setSubject('C');
        QCOMPARE(w->judgePage()->differenceMap()->map()->data()->values, m_map);
        QVERIFY(w.session()->engine()->handles().empty()); // nothing was measured again
        w->close();
    }

    void whatIsGoneIsNamed() {
        QFile f(m_file);
        QVERIFY(f.open(QIODevice::ReadOnly));
        nlohmann::json json = nlohmann::json::parse(f.readAll().toStdString());
        QCOMPARE(json["against"].get<std::string>(), std::string("B"));
        for (auto& c : json["compared"]) {
            if (c["letter"] == "B") c["run"]["path"] = c["run"]["absolute"] = "/nowhere/run-b";
            if (c["letter"] == "C") c["evaluation"]["fingerprint"] = "of another text";
        }
        const QString copy = m_home->folder + QStringLiteral("/gone.quantoscope");
        QFile out(copy);
        QVERIFY(out.open(QIODevice::WriteOnly));
        out.write(QByteArray::fromStdString(json.dump()));
        out.close();
        WindowFixture w(*m_home);
        w->openPath(copy);
        QTRY_COMPARE_WITH_TIMEOUT(w->sessionFiles()->file(), copy, kLong);
        const QString told = w->messageBar()->text();
        QVERIFY2(told.contains(u"/nowhere/run-b") && told.contains(u"measurement of C"), qPrintable(told));
        QVERIFY(!w->judgePage()->runs()->find('B'));
        QVERIFY(w->judgePage()->runs()->find('C'));
        w->close();
    }

private:
    static void runAt(const WindowFixture& w, int bits) {
        const auto scheme = Scheme::fromJson(
            {{"codec", "int"}, {"codec_params", {{"bits", bits}, {"group", 32}}}, {"method", "rtn"}}, "test");
        QS_VERIFY_OK(scheme);
        w.table()->applyRecipe(Recipe::uniform(*scheme), QStringLiteral("bits"));
        const size_t before = w->judgePage()->runs()->runs().size();
        w.session()->startRun();
        QTRY_COMPARE_WITH_TIMEOUT(w->judgePage()->runs()->runs().size(), before + 1, kLong);
    }
    static bool evaluate(const WindowFixture& w, int length, int windows) {
        const auto before = w.session()->evaluation();
        w.trigger("evaluate");
        return w.startDialog("evaluateDialog", length, windows) &&
               QTest::qWaitFor([&] { return w.session()->evaluation() != before; }, kLong);
    }

    std::unique_ptr<WindowHome> m_home;
    QString m_file;
    QStringList m_texts;
    std::vector<float> m_kl;
    QVector<double> m_map;
};

QS_TEST(JudgeSession)
#include "tst_judge_session.moc"
