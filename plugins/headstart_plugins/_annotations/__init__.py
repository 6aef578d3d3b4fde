"""Pictures that files annotate, whatever these say of them: where both lie, what COCO's JSON lists, sizes by headers,
and faults collected by kind. For plugins of datasets; no plugin."""
