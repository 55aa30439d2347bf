// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/dialogs/CommandPalette.h"

#include "widgets/theme/Icons.h"
#include "widgets/theme/Style.h"
#include "widgets/theme/Theme.h"
#include "widgets/views/SearchLineEdit.h"

#include <QDir>
#include <QFileInfo>
#include <QKeyEvent>
#include <QListView>
#include <QPainter>
#include <QStyledItemDelegate>
#include <QVBoxLayout>
#include <algorithm>

namespace qs::app {

namespace {

constexpr size_t kMostActions = 24, kMostFiles = 8, kMostTensors = 60;
constexpr int kWidth = 620, kRowHeight = 26, kMostRows = 14, kPadding = 10;

class HitDelegate : public QStyledItemDelegate {
public:
    using QStyledItemDelegate::QStyledItemDelegate;
    QSize sizeHint(const QStyleOptionViewItem&, const QModelIndex&) const override { return {0, kRowHeight}; }
    void paint(QPainter* p, const QStyleOptionViewItem& option, const QModelIndex& index) const override {
        const ui::Theme& t = ui::theme();
        p->save();
        if (option.state & QStyle::State_Selected) p->fillRect(option.rect, t.selection);
        const QRect r = option.rect.adjusted(kPadding, 0, -kPadding, 0);
        const bool tensor = index.data(PaletteModel::KindRole).toInt() == int(PaletteModel::Kind::Tensor);
        const bool blocked = index.data(PaletteModel::BlockedRole).toBool();
        const QString name = index.data().toString(),
                      detail = index.data(PaletteModel::DetailRole).toString();
        p->setFont(tensor ? ui::monoFont() : option.font);
        p->setPen(blocked ? t.text3 : t.text);
        const int nameWidth = std::min(p->fontMetrics().horizontalAdvance(name), r.width());
        p->drawText(r, Qt::AlignLeft | Qt::AlignVCenter,
                    p->fontMetrics().elidedText(name, Qt::ElideMiddle, r.width()));
        p->setFont(option.font);
        p->setPen(blocked ? t.warning : t.text2);
        const QRect rest = r.adjusted(nameWidth + 2 * kPadding, 0, 0, 0);
        if (rest.width() > 0)
            p->drawText(rest, Qt::AlignRight | Qt::AlignVCenter,
                        p->fontMetrics().elidedText(detail, Qt::ElideLeft, rest.width()));
        p->restore();
    }
};

} // namespace

// --- PaletteModel ---

void PaletteModel::setContent(std::vector<Command> actions, QStringList files,
                              std::shared_ptr<const ui::TargetNames> names,
                              std::function<QString(int target)> tensor) {
    m_actions = std::move(actions);
    m_files = std::move(files);
    m_names = std::move(names);
    m_tensor = std::move(tensor);
    m_actionNames.clear();
    m_fileNames.clear();
    for (const Command& c : m_actions)
        m_actionNames.append(c.name);
    for (const QString& f : m_files)
        m_fileNames.append(f);
    for (ui::FuzzySearch& s : m_searches)
        s.restart();
    search({});
}

void PaletteModel::search(const QString& query) {
    struct Scored {
        Hit hit;
        int score;
    };
    std::vector<Scored> found;
    const auto add = [&](Kind kind, const ui::NameIndex& names, size_t most) {
        for (const ui::FuzzyMatch& m : m_searches[size_t(kind)].best(names, query, most))
            found.push_back({{kind, m.row}, m.score});
    };
    const bool empty = query.trimmed().isEmpty();
    add(Kind::Action, m_actionNames, empty ? m_actions.size() : kMostActions);
    add(Kind::File, m_fileNames, kMostFiles);
    // Without a word every tensor is as good as the other.
    if (m_names && !empty) add(Kind::Tensor, m_names->index, kMostTensors);
    // What is typed as it stands beats scattered letters, of whatever kind; equals: actions, files, tensors.
    if (!empty)
        std::stable_sort(found.begin(), found.end(),
                         [](const Scored& a, const Scored& b) { return a.score > b.score; });
    else
        std::stable_sort(found.begin(), found.end(), [](const Scored& a, const Scored& b) {
            return a.hit.kind != b.hit.kind ? a.hit.kind < b.hit.kind : a.hit.id < b.hit.id;
        });
    beginResetModel();
    m_hits.clear();
    for (const Scored& s : found)
        m_hits.push_back(s.hit);
    endResetModel();
}

int PaletteModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : int(m_hits.size());
}

QVariant PaletteModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid() || index.row() >= rowCount()) return {};
    const Hit& h = m_hits[size_t(index.row())];
    const Command* c = h.kind == Kind::Action ? &command(h.id) : nullptr;
    switch (role) {
    case Qt::DisplayRole:
        return c ? c->name : h.kind == Kind::File ? QFileInfo(m_files[h.id]).fileName() : m_tensor(h.id);
    case Qt::ToolTipRole:
    case DetailRole:
        if (c) return c->blocker.isEmpty() ? c->detail : c->blocker;
        return h.kind == Kind::File ? QDir::toNativeSeparators(QFileInfo(m_files[h.id]).path())
                                    : tr("show tensor");
    case BlockedRole:
        return c && !c->blocker.isEmpty();
    case KindRole:
        return int(h.kind);
    default:
        return {};
    }
}

// --- CommandPalette ---

CommandPalette::CommandPalette(QWidget* window)
    : QFrame(window, Qt::Popup | Qt::FramelessWindowHint)
    , m_line(new ui::SearchLineEdit(ui::SearchLineEdit::Kind::Search, tr("Action, tensor or recent file")))
    , m_list(new QListView) {
    setObjectName(QStringLiteral("commandPalette"));
    setAccessibleName(tr("Command palette"));
    m_line->setObjectName(QStringLiteral("paletteLine"));
    m_line->setAccessibleName(tr("Search actions, tensors and recent files"));
    m_line->installEventFilter(this);
    m_list->setObjectName(QStringLiteral("paletteList"));
    m_list->setAccessibleName(tr("Matches"));
    m_list->setModel(&m_model);
    m_list->setItemDelegate(new HitDelegate(m_list));
    m_list->setUniformItemSizes(true);
    m_list->setFrameShape(QFrame::NoFrame);
    m_list->setFocusPolicy(Qt::NoFocus); // the line keeps the keyboard
    m_list->setEditTriggers(QAbstractItemView::NoEditTriggers);
    m_list->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(8, 8, 8, 8);
    layout->setSpacing(6);
    layout->addWidget(m_line);
    layout->addWidget(m_list, 1);
    setFocusProxy(m_line);
    connect(m_line, &QLineEdit::textChanged, this, [this](const QString& text) {
        m_model.search(text);
        m_list->setCurrentIndex(m_model.index(0));
        fitHeight();
    });
    connect(m_list, &QListView::clicked, this, &CommandPalette::choose);
}

void CommandPalette::popUp() {
    m_line->clear();
    m_model.search({});
    m_list->setCurrentIndex(m_model.index(0));
    const QWidget* window = parentWidget();
    const int width = std::min(kWidth, window->width() - 40);
    resize(width, 100);
    move(window->mapToGlobal(QPoint((window->width() - width) / 2, 64)));
    fitHeight();
    show();
    activateWindow();
    m_line->setFocus(Qt::PopupFocusReason);
}

void CommandPalette::fitHeight() {
    const int rows = std::clamp(m_model.rowCount(), 1, kMostRows);
    resize(width(), m_line->sizeHint().height() + rows * kRowHeight + 22);
}

bool CommandPalette::eventFilter(QObject* watched, QEvent* event) {
    if (event->type() != QEvent::KeyPress) return QFrame::eventFilter(watched, event);
    const auto* key = static_cast<QKeyEvent*>(event);
    switch (key->key()) {
    case Qt::Key_Up:
    case Qt::Key_Down:
    case Qt::Key_PageUp:
    case Qt::Key_PageDown: {
        const int page = key->key() == Qt::Key_PageUp || key->key() == Qt::Key_PageDown ? kMostRows - 1 : 1;
        const bool up = key->key() == Qt::Key_Up || key->key() == Qt::Key_PageUp;
        const int row = m_list->currentIndex().row() + (up ? -page : page);
        m_list->setCurrentIndex(m_model.index(std::clamp(row, 0, std::max(0, m_model.rowCount() - 1))));
        return true;
    }
    case Qt::Key_Return:
    case Qt::Key_Enter:
        choose();
        return true;
    case Qt::Key_Escape:
        hide();
        return true;
    default:
        return QFrame::eventFilter(watched, event);
    }
}

void CommandPalette::choose() {
    const QModelIndex at = m_list->currentIndex();
    if (!at.isValid()) return;
    const PaletteModel::Hit hit = m_model.hit(at.row());
    const QString blocker = at.data(PaletteModel::BlockedRole).toBool()
                                ? at.data(PaletteModel::DetailRole).toString()
                                : QString();
    hide();
    if (blocker.isEmpty())
        emit chosen(hit);
    else
        emit refused(blocker);
}

void CommandPalette::paintEvent(QPaintEvent*) {
    QPainter p(this);
    p.fillRect(rect(), ui::theme().window);
    p.setPen(ui::theme().strongBorder);
    p.drawRect(rect().adjusted(0, 0, -1, -1));
}

// --- PaletteButton ---

PaletteButton::PaletteButton(const QString& text, const QKeySequence& shortcut, QWidget* parent)
    : QAbstractButton(parent), m_key(shortcut.toString(QKeySequence::NativeText)) {
    setObjectName(QStringLiteral("paletteButton"));
    setText(text);
    setAccessibleName(text);
    setToolTip(tr("Search actions, tensors and recent files (%1)").arg(m_key));
    setFocusPolicy(Qt::TabFocus);
    setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Fixed);
    connect(&ui::ThemeNotifier::instance(), &ui::ThemeNotifier::changed, this, qOverload<>(&QWidget::update));
}

QSize PaletteButton::sizeHint() const {
    const QFontMetrics fm = fontMetrics();
    return {28 + fm.horizontalAdvance(text()) + 24 + fm.horizontalAdvance(m_key) + 16, fm.height() + 10};
}

QSize PaletteButton::minimumSizeHint() const {
    return {30, sizeHint().height()};
}

void PaletteButton::paintEvent(QPaintEvent*) {
    const ui::Theme& t = ui::theme();
    QPainter p(this);
    ui::paintControlFrame(p, rect(), t.base, hasFocus() ? t.accent : t.strongBorder);
    const int side = 14;
    ui::icon(QStringLiteral("search"), ui::IconRole::Muted)
        .paint(&p, QRect(8, (height() - side) / 2, side, side));
    const QFontMetrics fm = fontMetrics();
    QRect rest = rect().adjusted(28, 0, -8, 0);
    const int keyWidth = fm.horizontalAdvance(m_key) + 10;
    if (rest.width() > keyWidth + 40) {
        const QRect key(rest.right() - keyWidth, (height() - fm.height() - 2) / 2, keyWidth, fm.height() + 2);
        ui::paintControlFrame(p, key, t.window, t.border);
        p.setPen(t.text2);
        p.drawText(key, Qt::AlignCenter, m_key);
        rest.setRight(key.left() - 6);
    }
    p.setPen(t.text2);
    if (rest.width() > 20)
        p.drawText(rest, Qt::AlignLeft | Qt::AlignVCenter,
                   fm.elidedText(text(), Qt::ElideRight, rest.width()));
}

} // namespace qs::app
