// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/charts/ExportMenu.h"

#include "widgets/theme/Icons.h"
#include "widgets/views/ViewSetup.h"

#include <QAction>
#include <QApplication>
#include <QBuffer>
#include <QClipboard>
#include <QDialog>
#include <QFileDialog>
#include <QMessageBox>
#include <QMimeData>
#include <QSaveFile>
#include <QSvgGenerator>
#include <QTableView>
#include <QVBoxLayout>

namespace qs::ui {

namespace {

QString tr(const char* text) {
    return QCoreApplication::translate("qs::ui::ExportMenu", text);
}

/// Splits RFC 4180 text; our own output, so quoted fields hold no bare carriage returns.
QVector<QStringList> parseCsv(const QString& text) {
    QVector<QStringList> rows;
    QStringList row;
    QString field;
    bool quoted = false;
    for (int i = 0; i < text.size(); ++i) {
        const QChar c = text[i];
        if (quoted) {
            if (c != QLatin1Char('"'))
                field += c;
            else if (i + 1 < text.size() && text[i + 1] == QLatin1Char('"'))
                field += text[++i];
            else
                quoted = false;
        } else if (c == QLatin1Char('"')) {
            quoted = true;
        } else if (c == QLatin1Char(',')) {
            row.push_back(std::exchange(field, {}));
        } else if (c == QLatin1Char('\n')) {
            row.push_back(std::exchange(field, {}));
            rows.push_back(std::exchange(row, {}));
        } else {
            field += c;
        }
    }
    if (!field.isEmpty() || !row.isEmpty()) {
        row.push_back(field);
        rows.push_back(row);
    }
    return rows;
}

/// A read-only table over parsed rows; the first row is the header.
class CsvModel : public QAbstractTableModel {
public:
    CsvModel(QVector<QStringList> rows, QObject* parent)
        : QAbstractTableModel(parent), m_rows(std::move(rows)) {}
    int rowCount(const QModelIndex& parent) const override {
        return parent.isValid() ? 0 : std::max(0, int(m_rows.size()) - 1);
    }
    int columnCount(const QModelIndex& parent) const override {
        return parent.isValid() || m_rows.isEmpty() ? 0 : int(m_rows.front().size());
    }
    QVariant data(const QModelIndex& index, int role) const override {
        const QString text = m_rows[index.row() + 1].value(index.column());
        if (role == Qt::DisplayRole) return text;
        if (role == Qt::TextAlignmentRole) {
            bool number = false;
            text.toDouble(&number);
            return int((number ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
        }
        return {};
    }
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override {
        if (orientation != Qt::Horizontal || m_rows.isEmpty()) return {};
        if (role == Qt::DisplayRole) return m_rows.front().value(section);
        if (role == Qt::TextAlignmentRole && m_rows.size() > 1)
            return data(index(0, section), Qt::TextAlignmentRole);
        return {};
    }

private:
    QVector<QStringList> m_rows;
};

void reportFailure(QWidget* owner, const QString& message) {
    auto* box = new QMessageBox(QMessageBox::Warning, tr("Save picture"), message, QMessageBox::Ok, owner);
    box->setAttribute(Qt::WA_DeleteOnClose);
    box->open();
}

void askAndSave(QWidget* owner, const Picture* picture, const QString& extension, double scale) {
    auto* dialog = new QFileDialog(owner, tr("Save picture"));
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setAcceptMode(QFileDialog::AcceptSave);
    dialog->setDefaultSuffix(extension);
    dialog->setNameFilter(QStringLiteral("%1 (*.%2)").arg(extension.toUpper(), extension));
    dialog->selectFile(picture->pictureName() + QLatin1Char('.') + extension);
    QObject::connect(dialog, &QFileDialog::fileSelected, owner, [owner, picture, scale](const QString& path) {
        const QString problem = savePicture(*picture, owner->size(), path, scale);
        if (!problem.isEmpty()) reportFailure(owner, problem);
    });
    dialog->open();
}

QString writeAll(const QString& path, const QByteArray& bytes) {
    QSaveFile file(path);
    if (!file.open(QIODevice::WriteOnly) || file.write(bytes) != bytes.size() || !file.commit())
        return tr("%1 could not be written: %2.").arg(path, file.errorString());
    return {};
}

} // namespace

QImage pictureImage(const Picture& picture, const QSize& size, double scale) {
    QImage image(size * scale, QImage::Format_ARGB32_Premultiplied);
    image.setDevicePixelRatio(scale);
    image.fill(Qt::transparent);
    QPainter p(&image);
    picture.renderTo(p, size);
    return image;
}

QByteArray pictureSvg(const Picture& picture, const QSize& size) {
    QBuffer buffer;
    buffer.open(QIODevice::WriteOnly);
    QSvgGenerator generator;
    generator.setOutputDevice(&buffer);
    generator.setSize(size);
    generator.setViewBox(QRect(QPoint(0, 0), size));
    generator.setTitle(picture.pictureName());
    generator.setResolution(96);
    {
        QPainter p(&generator);
        picture.renderTo(p, size);
    }
    return buffer.data();
}

QString savePicture(const Picture& picture, const QSize& size, const QString& path, double scale) {
    if (path.endsWith(QLatin1String(".svg"), Qt::CaseInsensitive))
        return writeAll(path, pictureSvg(picture, size));
    if (path.endsWith(QLatin1String(".csv"), Qt::CaseInsensitive))
        return writeAll(path, picture.toCsv().toUtf8());
    if (!path.endsWith(QLatin1String(".png"), Qt::CaseInsensitive))
        return tr("%1 has no known extension. Use .png, .svg or .csv.").arg(path);
    QByteArray bytes;
    QBuffer buffer(&bytes);
    buffer.open(QIODevice::WriteOnly);
    QImage image = pictureImage(picture, size, scale);
    image.setDevicePixelRatio(1);
    if (!image.save(&buffer, "PNG")) return tr("%1 could not be encoded as PNG.").arg(path);
    return writeAll(path, bytes);
}

void addExportActions(QMenu& menu, QWidget* owner, const Picture* picture) {
    QObject::connect(menu.addAction(icon(QStringLiteral("copy")), tr("Copy picture")), &QAction::triggered,
                     owner, [owner, picture] {
                         auto* mime = new QMimeData;
                         mime->setImageData(
                             pictureImage(*picture, owner->size(), owner->devicePixelRatioF()));
                         mime->setText(picture->toCsv());
                         QApplication::clipboard()->setMimeData(mime);
                     });
    menu.addSeparator();
    for (const int scale : {1, 2, 4})
        QObject::connect(menu.addAction(tr("Save as PNG, %1x…").arg(scale)), &QAction::triggered, owner,
                         [=] { askAndSave(owner, picture, QStringLiteral("png"), scale); });
    QObject::connect(menu.addAction(tr("Save as SVG…")), &QAction::triggered, owner,
                     [=] { askAndSave(owner, picture, QStringLiteral("svg"), 1); });
    QObject::connect(menu.addAction(tr("Save as CSV…")), &QAction::triggered, owner,
                     [=] { askAndSave(owner, picture, QStringLiteral("csv"), 1); });
    menu.addSeparator();
    QObject::connect(menu.addAction(icon(QStringLiteral("table")), tr("Show as table")), &QAction::triggered,
                     owner, [=] { showPictureTable(owner, *picture); });
}

ExportHandle::ExportHandle(QWidget* owner, const Picture* picture)
    : QObject(owner), m_owner(owner), m_picture(picture) {
    owner->setContextMenuPolicy(Qt::CustomContextMenu);
    connect(owner, &QWidget::customContextMenuRequested, this, [this](const QPoint& at) {
        QMenu* menu = makeMenu();
        menu->setAttribute(Qt::WA_DeleteOnClose);
        menu->popup(m_owner->mapToGlobal(at));
    });
}

QMenu* ExportHandle::makeMenu() const {
    auto* menu = new QMenu(m_owner);
    // What the view does by itself, e.g. copying its selection.
    menu->addActions(m_owner->actions());
    addExportActions(*menu, m_owner, m_picture);
    return menu;
}

void installExportMenu(QWidget* owner, const Picture* picture) {
    delete owner->findChild<ExportHandle*>(QString(), Qt::FindDirectChildrenOnly);
    new ExportHandle(owner, picture);
}

void showPictureTable(QWidget* owner, const Picture& picture) {
    auto* dialog = new QDialog(owner);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setWindowTitle(picture.pictureName());
    auto* view = new QTableView(dialog);
    view->setModel(new CsvModel(parseCsv(picture.toCsv()), view));
    setupTable(view);
    view->setSelectionBehavior(QAbstractItemView::SelectItems);
    auto* layout = new QVBoxLayout(dialog);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(view);
    dialog->resize(640, 480);
    dialog->show();
}

} // namespace qs::ui
