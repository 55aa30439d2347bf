// SPDX-License-Identifier: GPL-3.0-or-later
// The window under a translation that only puts brackets around every text: what has none cannot be
// translated.
#include "app/pages/InspectPage.h"
#include "core/allocate/score.h"
#include "core/codec/codec.h"
#include "core/export/recipe_format.h"
#include "core/export/runtime_profiles.h"
#include "core/quant/method.h"
#include "core/quant/transform/transform.h"
#include "tests/gui/WindowFixture.h"
#include "widgets/editors/ParamForm.h"
#include "widgets/editors/SchemeEditor.h"

#include <QComboBox>
#include <QGroupBox>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QRegularExpression>
#include <QTabBar>
#include <QTableView>
#include <QTranslator>

using namespace qs;
using namespace qs::test;

namespace {

constexpr int kLong = 180000;
const QString kOpen = QStringLiteral("⟦"), kClose = QStringLiteral("⟧");

class Brackets : public QTranslator {
public:
    bool isEmpty() const override { return false; }
    QString translate(const char*, const char* source, const char*, int) const override {
        return kOpen + QString::fromUtf8(source) + kClose;
    }
};

/// Words of a text that no bracket holds.
QString bare(QString text) {
    static const QRegularExpression tags(QStringLiteral("<[^<>]*>"));
    text.remove(tags).remove(QLatin1Char('&'));
    int depth = 0;
    QString out;
    for (const QChar c : text) {
        depth += kOpen == c ? 1 : kClose == c ? -1 : 0;
        if (depth <= 0 && kClose != c) out += c;
    }
    return out.simplified();
}

} // namespace

class PseudoTranslation : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() {
        // As in the program, the translation comes first: tables of texts are made once.
        if (!qEnvironmentVariableIsSet("QS_PSEUDO_TRANSLATION"))
            QSKIP("has a process of its own (ctest: gui.translation)");
        QCoreApplication::installTranslator(&m_brackets);
        m_home = std::make_unique<WindowHome>("pseudo-translation");
        m_window = std::make_unique<WindowFixture>(*m_home);
        m_window->window->openSample();
        QTRY_VERIFY_WITH_TIMEOUT(m_window->session()->model(), kLong);
        m_window->trigger("calibrate");
        QVERIFY(m_window->startDialog("calibrateDialog", 64, 4));
        QTRY_VERIFY_WITH_TIMEOUT(m_window->session()->calibration(), kLong);
        m_window->trigger("run");
        QTRY_VERIFY_WITH_TIMEOUT(m_window->session()->run() && m_window->session()->run()->complete(), kLong);
        m_window->session()->selection()->set({0, 1, 2}, 1);
    }
    void cleanupTestCase() {
        m_window.reset();
        QCoreApplication::removeTranslator(&m_brackets);
    }

    void bracketsAreSeen() {
        QCOMPARE(bare(QStringLiteral("⟦Open⟧ layers")), QStringLiteral("layers"));
        QCOMPARE(bare(QStringLiteral("⟦<b>%1</b> of ⟦3⟧⟧")), QString());
        QVERIFY(!isData(QStringLiteral("Untranslated text")));
        QVERIFY(isData(QStringLiteral("layers.0.self_attn.q_proj")) && isData(QStringLiteral("16.5 × 3")));
    }

    void everyTextCanBeTranslated_data() {
        QTest::addColumn<int>("workspace");
        QTest::addColumn<int>("tab");
        for (int tab = 0; tab < 3; ++tab)
            QTest::addRow("inspect %d", tab) << int(app::Workspace::Inspect) << tab;
        QTest::newRow("tune") << int(app::Workspace::Tune) << -1;
        QTest::newRow("run") << int(app::Workspace::Run) << -1;
        QTest::newRow("judge") << int(app::Workspace::Judge) << -1;
        QTest::newRow("export") << int(app::Workspace::Export) << -1;
    }
    void everyTextCanBeTranslated() {
        QFETCH(int, workspace);
        QFETCH(int, tab);
        app::MainWindow* window = m_window->window.get();
        window->setWorkspace(app::Workspace(workspace));
        if (tab >= 0) window->inspectPage()->setCurrentIndex(tab);
        QTest::qWait(200);
        m_seen = 0;
        QStringList bad;
        for (const QAction* a : window->findChildren<QAction*>()) {
            check(bad, a, a->text());
            check(bad, a, a->toolTip());
            check(bad, a, a->statusTip());
        }
        for (const QWidget* w : window->findChildren<QWidget*>())
            if (!ofCore(w)) checkWidget(bad, w);
        bad.removeDuplicates();
        QVERIFY2(bad.isEmpty(), qPrintable(bad.join(QLatin1Char('\n'))));
        QVERIFY(m_seen > 200);
    }

private:
    /// Labels of methods, formats and parameters, the device, and what a job is doing are the engine's, which
    /// has no Qt.
    static bool ofCore(const QWidget* w) {
        if (w->objectName() == QLatin1String("statusDevice") || w->objectName() == QLatin1String("statusJob"))
            return true;
        for (const QWidget* p = w; p; p = p->parentWidget())
            if (qobject_cast<const ui::SchemeEditor*>(p) || qobject_cast<const ui::ParamForm*>(p))
                return true;
        return false;
    }
    static QSet<QString> coreWords() {
        QSet<QString> out;
        for (const MethodDescriptor* m : methods())
            out << QString::fromStdString(m->label) << QString::fromStdString(m->summary);
        for (const TransformDescriptor* t : transforms())
            out << QString::fromStdString(t->label) << QString::fromStdString(t->summary + ' ' + t->citation);
        for (const ScoreDescriptor* s : scores())
            out << QString::fromStdString(s->label);
        for (const RuntimeProfile& r : runtimeProfiles())
            out << QString::fromStdString(r.label);
        for (const RecipeFormatDescriptor* f : recipeFormats()) {
            const QString label = QString::fromStdString(f->label);
            out << label << label + QStringLiteral("…") << QString::fromStdString(f->summary);
        }
        for (const CodecDescriptor* c : codecs())
            out << QString::fromStdString(c->label) << QString::fromStdString(c->summary);
        return out;
    }
    /// Numbers, symbols, names of tensors and files, units, and the engine's short name of a scheme ("int4
    /// g128 asym") are the same in every language.
    bool isData(const QString& text) const {
        static const QSet<QString> known = coreWords();
        static const QRegularExpression words(QStringLiteral("\\p{L}{2,}"));
        static const QRegularExpression names(QStringLiteral(
            "[\\w./:\\-]*([./_]|\\d)[\\w./:\\-]*|[A-Z]{1,3}\\d*|a?sym|bits/w|MiB|KiB|GiB|nats|max"));
        if (known.contains(text)) return true;
        QString rest = text;
        rest.remove(names);
        return !words.match(rest).hasMatch();
    }
    void check(QStringList& bad, const QObject* at, const QString& text) {
        m_seen += text.contains(kOpen);
        if (const QString rest = bare(text); !isData(rest))
            bad << QStringLiteral("%1 %2: %3")
                       .arg(QLatin1String(at->metaObject()->className()), at->objectName(), text.left(120));
    }
    void checkWidget(QStringList& bad, const QWidget* w) {
        check(bad, w, w->toolTip());
        check(bad, w, w->accessibleName());
        if (const auto* label = qobject_cast<const QLabel*>(w)) check(bad, w, label->text());
        if (const auto* button = qobject_cast<const QAbstractButton*>(w)) check(bad, w, button->text());
        if (const auto* box = qobject_cast<const QGroupBox*>(w)) check(bad, w, box->title());
        if (const auto* line = qobject_cast<const QLineEdit*>(w)) check(bad, w, line->placeholderText());
        if (const auto* combo = qobject_cast<const QComboBox*>(w))
            for (int i = 0; i < combo->count(); ++i)
                check(bad, w, combo->itemText(i));
        if (const auto* tabs = qobject_cast<const QTabBar*>(w))
            for (int i = 0; i < tabs->count(); ++i)
                check(bad, w, tabs->tabText(i));
        if (const auto* header = qobject_cast<const QHeaderView*>(w); header && header->model())
            for (int i = 0; i < header->count() && header->orientation() == Qt::Horizontal; ++i)
                check(bad, w, header->model()->headerData(i, Qt::Horizontal).toString());
    }

    Brackets m_brackets;
    std::unique_ptr<WindowHome> m_home;
    std::unique_ptr<WindowFixture> m_window;
    int m_seen = 0;
};

QS_TEST(PseudoTranslation)
#include "tst_pseudo_translation.moc"
