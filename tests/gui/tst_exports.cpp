// SPDX-License-Identifier: GPL-3.0-or-later
// Every view of the window leaves it as PNG, SVG and CSV, pictures also as a table; what is written is valid.
#include "app/pages/InspectPage.h"
#include "app/session/SchemeTable.h"
#include "tests/gui/WindowFixture.h"
#include "widgets/charts/ExportMenu.h"

#include <QAbstractItemView>
#include <QClipboard>
#include <QTableView>
#include <QTreeView>
#include <QXmlStreamReader>

using namespace qs;
using namespace qs::test;
using ui::ExportHandle;

namespace {

constexpr int kLong = 180000;
const QSize kSize(360, 220);

/// A view that shows data: it must offer its exports, itself or through the widget around it.
bool isView(const QWidget* w) {
    // Lists of choices, and the parts that a table is made of, show no data of their own.
    if (qobject_cast<const QHeaderView*>(w) || qobject_cast<const QComboBox*>(w->window())) return false;
    if (qobject_cast<const QTableView*>(w) || qobject_cast<const QTreeView*>(w)) return true;
    return dynamic_cast<const ui::Picture*>(w) != nullptr;
}

bool isExported(const QWidget* w) {
    for (; w; w = w->parentWidget())
        if (w->findChild<ExportHandle*>(QString(), Qt::FindDirectChildrenOnly)) return true;
    return false;
}

QString nameOf(const QWidget* w) {
    return QString::fromLatin1(w->metaObject()->className()) + QLatin1Char(' ') + w->objectName();
}

/// Well-formed, has marks, and none of them is a bitmap of the whole.
void checkSvg(const QString& path, const QString& view) {
    QFile file(path);
    QVERIFY(file.open(QIODevice::ReadOnly));
    QXmlStreamReader xml(&file);
    int marks = 0;
    while (!xml.atEnd()) {
        if (xml.readNext() != QXmlStreamReader::StartElement) continue;
        const auto name = xml.name();
        marks += name == u"rect" || name == u"path" || name == u"text" || name == u"polyline" ||
                 name == u"polygon";
        if (name != u"image") continue;
        const double width = xml.attributes().value(QLatin1String("width")).toDouble();
        QVERIFY2(width < kSize.width() / 2.0, qPrintable(view));
    }
    QVERIFY2(!xml.hasError(), qPrintable(view + ": " + xml.errorString()));
    QVERIFY2(marks > 0, qPrintable(view));
}

/// A header, and every row with as many fields.
void checkCsv(const QString& path, const QString& view, int& numbers) {
    QFile file(path);
    QVERIFY(file.open(QIODevice::ReadOnly));
    const QString text = QString::fromUtf8(file.readAll());
    if (text.isEmpty()) return; // nothing to show yet
    int fields = -1, inRow = 1, rows = 0;
    bool quoted = false;
    QString field;
    const auto endField = [&] {
        bool number = false;
        field.toDouble(&number);
        numbers += number;
        field.clear();
    };
    for (const QChar c : text) {
        if (c == QLatin1Char('"')) {
            quoted = !quoted;
        } else if (!quoted && c == QLatin1Char(',')) {
            endField();
            ++inRow;
        } else if (!quoted && c == QLatin1Char('\n')) {
            endField();
            if (fields < 0) fields = inRow;
            QVERIFY2(inRow == fields, qPrintable(QStringLiteral("%1: row %2").arg(view).arg(rows)));
            inRow = 1;
            ++rows;
        } else {
            field += c;
        }
    }
    QVERIFY2(!quoted && text.endsWith(QLatin1Char('\n')), qPrintable(view));
    QVERIFY2(text.front() != QLatin1Char('\n'), qPrintable(view));
}

} // namespace

class Exports : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() {
        m_home = std::make_unique<WindowHome>("exports");
        m_window = std::make_unique<WindowFixture>(*m_home);
        app::Session* s = m_window->session();
        (*m_window)->openSample();
        QTRY_VERIFY_WITH_TIMEOUT(s->model(), kLong);
        m_window->trigger("calibrate");
        QVERIFY(m_window->startDialog("calibrateDialog", 64, 4));
        QTRY_VERIFY_WITH_TIMEOUT(s->calibration(), kLong);
        m_window->trigger("run");
        QTRY_VERIFY_WITH_TIMEOUT(s->run() && s->run()->complete(), kLong);
        QTRY_COMPARE_WITH_TIMEOUT(s->pool()->activeCount(), 0, kLong);
    }
    void cleanupTestCase() {
        m_window.reset();
        m_home.reset();
    }

    void everyViewIsExported() {
        QStringList missing;
        for (const QWidget* w : m_window->window->findChildren<QWidget*>())
            if (isView(w) && !isExported(w)) missing << nameOf(w);
        QVERIFY2(missing.isEmpty(), qPrintable(missing.join(QStringLiteral(", "))));
        // Tree, tensors, outliers, problems, jobs, units, runs, worst tokens; map, two profiles, histograms.
        QVERIFY(handles().size() >= 12);
    }

    void everyMenuOffersEveryForm() {
        for (const ExportHandle* h : handles()) {
            std::unique_ptr<QMenu> menu(h->makeMenu());
            QString texts;
            for (const QAction* a : menu->actions())
                texts += a->text() + QLatin1Char('\n');
            for (const char* needed : {"1x", "2x", "4x", "SVG", "CSV", "Copy", "Show as table"})
                QVERIFY2(texts.contains(QLatin1String(needed)),
                         qPrintable(nameOf(h->owner()) + ": " + needed));
            if (qobject_cast<QAbstractItemView*>(h->owner()))
                QVERIFY2(texts.contains(u"TSV"), qPrintable(nameOf(h->owner())));
        }
    }

    void whatIsWrittenIsValid() {
        const QString folder = m_home->folder + QStringLiteral("/pictures");
        QVERIFY(QDir().mkpath(folder));
        int number = 0, numbers = 0;
        for (const auto workspace : {app::Workspace::Inspect, app::Workspace::Tune, app::Workspace::Run,
                                     app::Workspace::Judge, app::Workspace::Export}) {
            (*m_window)->setWorkspace(workspace);
            QTest::qWait(50);
        }
        for (const ExportHandle* h : handles()) {
            const QString view = nameOf(h->owner());
            QVERIFY2(!h->picture().pictureName().isEmpty(), qPrintable(view));
            const QString base = folder + QStringLiteral("/%1").arg(number++);
            for (const int scale : {1, 2, 4}) {
                const QString png = base + QStringLiteral("-%1.png").arg(scale);
                QCOMPARE(ui::savePicture(h->picture(), kSize, png, scale), QString());
                QCOMPARE(QImage(png).size(), kSize * scale);
            }
            QCOMPARE(ui::savePicture(h->picture(), kSize, base + ".svg", 1), QString());
            checkSvg(base + ".svg", view);
            QCOMPARE(ui::savePicture(h->picture(), kSize, base + ".csv", 1), QString());
            checkCsv(base + ".csv", view, numbers);
            if (QTest::currentTestFailed()) return;
        }
        QVERIFY(numbers > 1000);
    }

    /// The table's numbers are those of the rows, not their texts.
    void tensorTableAsCsv() {
        const auto* view = m_window->find<QTableView>("tensorTable");
        QVERIFY(view);
        const auto* h = view->findChild<ExportHandle*>(QString(), Qt::FindDirectChildrenOnly);
        QVERIFY(h);
        const QStringList lines = h->picture().toCsv().split(QLatin1Char('\n'), Qt::SkipEmptyParts);
        QCOMPARE(lines.size(), m_window->table()->count() + 1);
        const int size = int(lines[0].split(QLatin1Char(',')).indexOf(QStringLiteral("size")));
        QVERIFY2(size > 0, qPrintable(lines[0]));
        const QString module = view->model()->index(3, 0).data().toString();
        const int target = m_window->table()->indexOf(module);
        QCOMPARE(lines[4].split(QLatin1Char(',')).value(size).toDouble(),
                 double(m_window->table()->row(target).bytesAfter));
    }

private:
    QList<ExportHandle*> handles() const { return m_window->window->findChildren<ExportHandle*>(); }

    std::unique_ptr<WindowHome> m_home;
    std::unique_ptr<WindowFixture> m_window;
};

QS_TEST(Exports)
#include "tst_exports.moc"
